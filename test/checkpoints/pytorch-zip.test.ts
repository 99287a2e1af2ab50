/**
 * PyTorch zip files: layouts that `torch.save` produces, and files that want to be something else.
 */
import * as fc from 'fast-check';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { memorySource } from '../../src/checkpoints/byte-source.ts';
import { chooseWeights } from '../../src/checkpoints/choice.ts';
import { openPytorchZip } from '../../src/checkpoints/pytorch-zip.ts';
import { float32Values, type Weights } from '../../src/checkpoints/weights.ts';
import { Call, Global, Persistent, Tuple, instructions, type PickleValue } from './pickle-writer.ts';
import { float32Bytes, parameter, pytorchFile, tensor, withZip64 } from './pytorch-writer.ts';

const SIX = float32Bytes([0, 1, 2, 3, 4, 5]);

/** All tensors of a file, by full name. */
async function read(file: Uint8Array): Promise<Weights> {
  const checkpoint = await openPytorchZip(memorySource('x.pth', file));
  return checkpoint.load(checkpoint.tensors);
}

/** What is chosen of a file for a network that reads `w`. */
async function choose(file: Uint8Array): Promise<Weights> {
  const checkpoint = await openPytorchZip(memorySource('x.pth', file));
  const fitting = { names: new Set(['w']), try: () => undefined };
  const choice = chooseWeights(checkpoint, { file: 'x.pth', ...fitting });
  return choice.finish(await checkpoint.load(choice.needed)).weights;
}

async function valuesOf(weights: Weights, name: string): Promise<number[]> {
  const found = weights.get(name);
  return found === undefined ? [] : [...float32Values(found)];
}

async function readOne(root: PickleValue, storages: Record<string, Uint8Array> = { '0': SIX }): Promise<number[]> {
  return valuesOf(await read(pytorchFile(new Map([['w', root]]), storages)), 'w');
}

describe('tensors', () => {
  it('are views of the file where they are contiguous', async () => {
    const file = pytorchFile(new Map([['w', tensor('0', 6, [2, 3])]]), { '0': SIX });
    const weights = await read(file);
    expect(weights.get('w')).toMatchObject({ name: 'w', type: 'float32', shape: [2, 3] });
    expect(weights.get('w')?.bytes.buffer).toBe(file.buffer);
    expect(await valuesOf(weights, 'w')).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('are read when transposed, offset, sliced, scalar, empty', async () => {
    expect(await readOne(tensor('0', 6, [3, 2], [1, 3]))).toEqual([0, 3, 1, 4, 2, 5]);
    expect(await readOne(tensor('0', 6, [2], [1], { offset: 4 }))).toEqual([4, 5]);
    expect(await readOne(tensor('0', 6, [2, 2], [3, 1], { offset: 1 }))).toEqual([1, 2, 4, 5]);
    expect(await readOne(tensor('0', 6, [], [], { offset: 5 }))).toEqual([5]);
    expect(await readOne(tensor('0', 6, [0, 9], [9, 1]))).toEqual([]);
    expect(await readOne(tensor('0', 6, [1, 2, 1], [77, 1, 99]))).toEqual([0, 1]);
  });

  it('agree with indexing by strides, for any permutation of axes', async () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        shapes.chain((shape) =>
          fc.tuple(fc.constant(shape), fc.shuffledSubarray([...shape.keys()], { minLength: shape.length })),
        ),
        async ([shape, order]) => {
          const strides: number[] = [];
          let elements = 1;
          for (const axis of order) {
            strides[axis] = elements;
            elements *= shape[axis] ?? 1;
          }
          const storage = float32Bytes(Array.from({ length: elements }, (_, index) => index));
          const expected = shape.reduce<number[]>(
            (positions, dimension, axis) =>
              positions.flatMap((position) =>
                Array.from({ length: dimension }, (_, index) => position + index * (strides[axis] ?? 0)),
              ),
            [0],
          );
          expect(await readOne(tensor('0', elements, shape, strides), { '0': storage })).toEqual(expected);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('may be parameters and share storages', async () => {
    const root = new Map([
      ['a', tensor('0', 6, [2])],
      ['b', parameter(tensor('0', 6, [3], [1], { offset: 3 }))],
    ]);
    const weights = await read(pytorchFile(root, { '0': SIX }));
    expect([await valuesOf(weights, 'a'), await valuesOf(weights, 'b')]).toEqual([
      [0, 1],
      [3, 4, 5],
    ]);
  });

  it('have the type of their storage', async () => {
    const types = {
      HalfStorage: 2,
      BFloat16Storage: 2,
      DoubleStorage: 8,
      LongStorage: 8,
      IntStorage: 4,
      BoolStorage: 1,
    };
    const root = new Map(
      Object.keys(types).map((storage) => [storage, tensor(storage, 3, [3], [1], { storage })] as const),
    );
    const storages = Object.fromEntries(
      Object.entries(types).map(([storage, size]) => [storage, new Uint8Array(3 * size)]),
    );
    const weights = await read(pytorchFile(root, storages));
    expect([...weights.values()].map(({ type, bytes }) => [type, bytes.byteLength])).toEqual([
      ['float16', 6],
      ['bfloat16', 6],
      ['float64', 24],
      ['int64', 24],
      ['int32', 12],
      ['bool', 3],
    ]);
  });

  it('are found in deflated entries', async () => {
    const zeros = new Uint8Array(4000);
    const file = pytorchFile(new Map([['w', tensor('0', 1000, [1000])]]), { '0': zeros }, { level: 6 });
    expect(file.byteLength).toBeLessThan(2000);
    expect((await read(file)).get('w')?.bytes).toEqual(zeros);
  });
});

describe('a training checkpoint', () => {
  const ordered = new Global('collections', 'OrderedDict');
  const weights = new Map([['w', tensor('0', 6, [6])]]);

  it.each(['model', 'state_dict', 'model_ema'])('gives what lies under "%s" and ignores the rest', async (key) => {
    const options = new Call(new Global('argparse', 'Namespace'), new Tuple(), new Map([['lr', 0.1]]));
    const root = new Map<PickleValue, PickleValue>([
      ['optimizer', new Map([['state', tensor('absent', 6, [6])]])],
      ['args', options],
      ['epoch', 300],
      ['scaler', null],
      ['large', 2n ** 60n],
      ['metric', -0.5],
      ['rng', tensor('0', 6, [1])],
      [key, new Map<PickleValue, PickleValue>([...weights, ['note', 'text'], [7, tensor('0', 6, [1])]])],
    ]);
    const found = await choose(pytorchFile(root, { '0': SIX }));
    expect([...found.keys()]).toEqual(['w']);
  });

  it('prefers plain weights to moving averages and looks two levels deep', async () => {
    const average = new Map([['w', tensor('absent', 6, [1])]]);
    const root = new Map<PickleValue, PickleValue>([
      ['model_ema', average],
      ['model', new Map([['state_dict', weights]])],
    ]);
    expect([...(await choose(pytorchFile(root, { '0': SIX }))).keys()]).toEqual(['w']);
  });

  it('may be an OrderedDict with metadata as state', async () => {
    // An OrderedDict is called without items, filled item by item, then given its state.
    const items = [...instructions('w'), ...instructions(tensor('0', 6, [6]))];
    const empty = instructions(new Call(ordered, new Tuple()));
    const state = instructions(new Map([['_metadata', new Map()]]));
    const bytes = Uint8Array.of(0x80, 2, ...empty, 0x71, 0, 0x28, ...items, 0x75, ...state, 0x62, 0x2e);
    expect([...(await choose(pytorchFile(bytes, { '0': SIX }))).keys()]).toEqual(['w']);
  });

  it('that refers to itself is read to its end', async () => {
    // An empty dict, remembered as 0; then items whose values are that dict.
    const items = ['model', 'state_dict'].flatMap((key) => [...instructions(key), 0x68, 0]);
    const bytes = Uint8Array.of(0x80, 2, 0x7d, 0x71, 0, 0x28, ...items, 0x75, 0x2e);
    await expect(choose(pytorchFile(bytes, {}))).rejects.toThrow(/holds no tensors/);
  });
});

describe('a hostile pickle', () => {
  const bait = join(tmpdir(), `diffrate-executed-${process.pid}`);
  const hostile: [string, PickleValue][] = [
    ['os.system', new Call(new Global('os', 'system'), new Tuple(`touch ${bait}`))],
    ['posix.system', new Call(new Global('posix', 'system'), new Tuple(`touch ${bait}`))],
    ['builtins.eval', new Call(new Global('builtins', 'eval'), new Tuple(`open('${bait}', 'w')`))],
    ['builtins.exec', new Global('builtins', 'exec')],
    ['subprocess.Popen', new Call(new Global('subprocess', 'Popen'), new Tuple(['touch', bait]))],
    ['torch.load', new Global('torch', 'load')],
    [
      'timm.models.vision_transformer.VisionTransformer',
      new Global('timm.models.vision_transformer', 'VisionTransformer'),
    ],
    ['globalThis.process', new Global('globalThis', 'process')],
    ['__proto__.constructor', new Global('__proto__', 'constructor')],
  ];

  it.each(hostile)('that names %s beside the weights executes nothing', async (_, value) => {
    const root = new Map<PickleValue, PickleValue>([
      ['w', tensor('0', 6, [6])],
      ['args', value],
    ]);
    expect([...(await choose(pytorchFile(root, { '0': SIX }))).keys()]).toEqual(['w']);
    expect(existsSync(bait)).toBe(false);
  });

  it.each(hostile)('that names %s in place of weights has none', async (_, value) => {
    await expect(choose(pytorchFile(value, {}))).rejects.toThrow(/x\.pth holds no tensors by name/);
    expect(existsSync(bait)).toBe(false);
  });

  it('that names a global from the stack has no weights either', async () => {
    const bytes = Uint8Array.from([0x80, 4, ...instructions('os'), ...instructions('system'), 0x93, 0x2e]);
    await expect(choose(pytorchFile(bytes, {}))).rejects.toThrow(/holds no tensors/);
  });

  it('leaves placeholders, called or not, with items and state', async () => {
    const config = new Call(new Global('omegaconf.dictconfig', 'DictConfig'), new Tuple(), new Map([['lr', 1]]));
    // What a placeholder makes is a placeholder: `DictConfig()(7)`.
    const called = [...instructions(config), ...instructions(new Tuple(7)), 0x52];
    // NEWOBJ_EX, OBJ and INST.
    const built = [...instructions(new Global('a', 'B')), ...instructions(new Tuple()), 0x7d, 0x92];
    const old = [0x28, ...instructions(new Global('a', 'C')), ...instructions(1), 0x6f];
    const older = [0x28, ...instructions(2), 0x69, ...new TextEncoder().encode('a\nD\n')];
    const items = [called, built, old, older].flatMap((value, index) => [...instructions(`object${index}`), ...value]);
    const weights = [...instructions('w'), ...instructions(tensor('0', 6, [6]))];
    const bytes = Uint8Array.of(0x80, 2, 0x7d, 0x28, ...items, ...weights, 0x75, 0x2e);
    expect([...(await choose(pytorchFile(bytes, { '0': SIX }))).keys()]).toEqual(['w']);
  });

  it('may keep its weights in a dictionary of a class of its own', async () => {
    const own = instructions(new Call(new Global('mmengine.config', 'ConfigDict'), new Tuple()));
    const items = [...instructions('w'), ...instructions(tensor('0', 6, [6]))];
    const bytes = Uint8Array.of(0x80, 2, ...own, 0x28, ...items, 0x75, 0x2e);
    expect([...(await choose(pytorchFile(bytes, { '0': SIX }))).keys()]).toEqual(['w']);
  });

  it('of a whole module names its class, without control characters', async () => {
    const state = new Map([
      ['_parameters', new Map()],
      ['_modules', new Map()],
    ]);
    const file = pytorchFile(new Call(new Global('my\u001b[31m.nets', 'ViT'), new Tuple(), state), {});
    await expect(choose(file)).rejects.toThrow(/a whole PyTorch module \(my\?\[31m\.nets\.ViT\).*state_dict\(\)/);
  });

  it('cannot make inert names do anything', async () => {
    const root = new Map<PickleValue, PickleValue>([
      ['w', tensor('0', 6, [6])],
      ['__proto__', new Map([['polluted', true]])],
      ['args', new Call(new Global('argparse', 'Namespace'), new Tuple(), new Map([['__proto__', 1]]))],
    ]);
    expect([...(await choose(pytorchFile(root, { '0': SIX }))).keys()]).toEqual(['w']);
    expect('polluted' in {}).toBe(false);
  });

  const damaged: [string, number[]][] = [
    ['is empty', []],
    ['ends early', [0x80, 2, 0x28]],
    ['pops nothing', [0x30]],
    ['pops through a mark', [0x4e, 0x28, 0x73]],
    ['has no mark', [0x4e, 0x74]],
    ['recalls what it never kept', [0x68, 5]],
    ['keeps nothing', [0x71, 0]],
    ['has a text longer than itself', [0x58, 0xff, 0xff, 0xff, 0xff]],
    ['has bytes of 2^64 length', [0x8e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['has a huge integer', [0x8b, 0xff, 0xff, 0xff, 0x7f]],
    ['has a dict of odd items', [0x7d, 0x28, 0x4e, 0x75]],
    ['calls a number', [0x4b, 1, 0x29, 0x52]],
    ['has a global without a line end', [0x63, 0x61]],
    ['has an instruction unknown', [0xff]],
    ['uses copyreg extensions', [0x82, 1]],
    ['has a persistent id that is no storage', [0x4e, 0x51, 0x2e]],
  ];
  it.each(damaged)('that %s is an error of one sentence', async (_, bytes) => {
    const error: unknown = await read(pytorchFile(Uint8Array.from(bytes), {})).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DiffrateError);
    expect(String(error)).toContain('x.pth');
  });

  it('of a million dicts, or of many bytes, is refused before it fills memory', async () => {
    await expect(read(pytorchFile(new Uint8Array(1_100_000).fill(0x7d), {}))).rejects.toThrow(
      /more than 1000000 objects/,
    );
    await expect(read(pytorchFile(new Uint8Array(5 * 2 ** 20), {}))).rejects.toThrow(/a pickle of 5242880 bytes/);
  });
});

describe('a tensor that lies', () => {
  const rank = 65;
  const lies: [string, PickleValue, RegExp][] = [
    ['is larger than its storage', tensor('0', 6, [7]), /"w" in x\.pth \(shape \[7\]/],
    ['begins outside', tensor('0', 6, [1], [1], { offset: 6 }), /offset 6\) does not lie inside/],
    ['strides outside', tensor('0', 6, [2], [6]), /does not lie inside/],
    ['has more elements than can be counted', tensor('0', 6, [2 ** 40, 2 ** 40], [0, 0]), /does not lie inside/],
    ['repeats one element a billion times', tensor('0', 6, [1e9], [0]), /does not lie inside/],
    ['names a storage that is not there', tensor('1', 6, [6]), /data of tensor "w".*missing or too short/],
    ['claims a longer storage', tensor('0', 7, [7]), /missing or too short/],
    ['claims an enormous storage', tensor('0', 2 ** 50, [6]), /missing or too short/],
    ['has fewer strides than dimensions', tensor('0', 6, [2, 3], [3]), /unknown way/],
    ['has a negative dimension', tensor('0', 6, [-6]), /unknown way/],
    ['has a dimension that is a fraction', tensor('0', 6, [1.5]), /unknown way/],
    [
      'has more dimensions than PyTorch allows',
      tensor(
        '0',
        6,
        Array.from({ length: rank }, () => 1),
      ),
      /unknown way/,
    ],
    [
      'has a storage of an unknown type',
      tensor('0', 6, [6], [1], { storage: 'QInt8Storage' }),
      /"w" needs the Python object torch\.QInt8Storage, which is not read/,
    ],
    [
      'is made by a function of another kind',
      new Call(new Global('torch._utils', '_rebuild_sparse_tensor'), new Tuple(1)),
      /"w" needs the Python object torch\._utils\._rebuild_sparse_tensor/,
    ],
    ['has no storage', new Call(new Global('torch._utils', '_rebuild_tensor_v2'), new Tuple(1, 2)), /unknown way/],
    ['has a storage of a number', new Persistent(new Tuple('storage', 1, '0', 'cpu', 6)), /unknown way/],
    ['reaches for another entry', tensor('../data.pkl', 6, [6]), /missing or too short/],
  ];
  it.each(lies)('because it %s is named', async (_, value, message) => {
    const error: unknown = await readOne(value).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DiffrateError);
    expect(String(error)).toMatch(message);
  });

  it('many times over cannot fill memory with copies', async () => {
    const elements = 10_000;
    const root = new Map(
      Array.from({ length: 100 }, (_, index) => [`w${index}`, tensor('0', elements, [100, 100], [1, 100])] as const),
    );
    await expect(read(pytorchFile(root, { '0': new Uint8Array(4 * elements) }))).rejects.toThrow(DiffrateError);
  });
});

describe('a zip file', () => {
  const whole = pytorchFile(new Map([['w', tensor('0', 6, [6])]]), { '0': SIX });

  it('without PyTorch weights, or big-endian, says so', async () => {
    await expect(read(pytorchFile(new Map(), {}).slice(0, 0))).rejects.toThrow(DiffrateError);
    await expect(choose(pytorchFile('text', {}))).rejects.toThrow(/holds no tensors/);
    const big = pytorchFile(new Map([['w', tensor('0', 6, [6])]]), { '0': SIX }, { byteorder: 'big' });
    await expect(read(big)).rejects.toThrow(/big-endian/);
  });

  it('truncated anywhere is an error', async () => {
    for (let length = 0; length < whole.length; length += 1) {
      await expect(read(whole.slice(0, length))).rejects.toThrow(DiffrateError);
    }
  });

  it('with zip64 sizes and offsets is read', async () => {
    expect(await valuesOf(await read(withZip64(whole)), 'w')).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('with a lying zip64 size is an error', async () => {
    const file = new Uint8Array(whole.length + 20);
    const end = whole.length - 22;
    file.set(whole.subarray(0, end));
    const view = new DataView(file.buffer);
    view.setUint32(end, 0x07064b50, true);
    view.setBigUint64(end + 8, 2n ** 63n, true);
    file.set(whole.subarray(end), end + 20);
    await expect(read(file)).rejects.toThrow(/impossible sizes/);
  });

  it('that claims to unpack to a bomb is refused', async () => {
    const file = pytorchFile(
      new Map([['w', tensor('0', 6, [6])]]),
      { '0': new Uint8Array(80 * 2 ** 20) },
      { level: 6 },
    );
    expect(file.byteLength).toBeLessThan(2 ** 20);
    await expect(read(file)).rejects.toThrow(/claims to unpack to/);
  });

  it('mutated at random gives weights or a DiffrateError, nothing else', async () => {
    const packed = pytorchFile(new Map([['w', tensor('0', 6, [3, 2], [1, 3])]]), { '0': SIX }, { level: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(whole, packed),
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        async (original, mutations) => {
          const file = original.slice();
          for (const [position, value] of mutations) file[position % file.length] = value;
          const result: unknown = await read(file).catch((thrown: unknown) => thrown);
          expect(result instanceof Map || result instanceof DiffrateError).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
