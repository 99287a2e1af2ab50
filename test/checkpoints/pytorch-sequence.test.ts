/** PyTorch's sequence format: what it holds, and files that are damaged or want to be more. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/checkpoints/byte-source.ts';
import { openPytorchSequence } from '../../src/checkpoints/pytorch-sequence.ts';
import { float32Values } from '../../src/checkpoints/weights.ts';
import { DiffrateError } from '../../src/errors.ts';
import { Call, Global, Tuple, type PickleValue } from './pickle-writer.ts';
import { pytorchSequence, storageView } from './pytorch-sequence-writer.ts';
import { float32Bytes, tensor } from './pytorch-writer.ts';

const six = { elementSize: 4, bytes: float32Bytes([0, 1, 2, 3, 4, 5]) };
const two = { elementSize: 2, bytes: new Uint8Array(4) };

/** Values of the tensors that are of 32 bits, by full name. */
async function read(file: Uint8Array): Promise<Record<string, number[]>> {
  const checkpoint = await openPytorchSequence(memorySource('x.pth', file));
  const wanted = checkpoint.tensors.filter(({ type }) => type === 'float32');
  const weights = await checkpoint.load(wanted);
  return Object.fromEntries([...weights].map(([name, one]) => [name, [...float32Values(one)]]));
}

const root = new Map<PickleValue, PickleValue>([
  [
    'state_dict',
    new Map([
      ['a', tensor('0', 6, [2, 3])],
      ['half', tensor('1', 2, [2], [1], { storage: 'HalfStorage' })],
      ['b', tensor('2', 6, [2], [3], { offset: 1 })],
    ]),
  ],
  ['hyper_parameters', new Call(new Global('omegaconf', 'DictConfig'), new Tuple())],
  ['epoch', 7],
]);
const whole = pytorchSequence(root, { 0: six, 1: two, 2: six });

describe('the sequence format', () => {
  it('gives tensors with their places, objects beside them are inert', async () => {
    expect(await read(whole)).toEqual({ 'state_dict.a': [0, 1, 2, 3, 4, 5], 'state_dict.b': [1, 4] });
  });

  it('knows parts of storages', async () => {
    const part = new Call(
      new Global('torch._utils', '_rebuild_tensor'),
      new Tuple(storageView('0', 6, 2, 4), 1, new Tuple(2), new Tuple(1)),
    );
    expect(await read(pytorchSequence(new Map([['a', part]]), { 0: six }))).toEqual({ a: [3, 4] });
  });

  it('of a whole module, whose source text it carries, names the class', async () => {
    const state = new Map<PickleValue, PickleValue>([
      ['_parameters', new Map()],
      ['_modules', new Map()],
    ]);
    const file = pytorchSequence(new Call(new Global('my.nets', 'ViT'), new Tuple(), state), {});
    expect((await openPytorchSequence(memorySource('x.pth', file))).wholeModule).toBe('my.nets.ViT');
  });

  const damaged: [string, Uint8Array, RegExp][] = [
    ['of a big-endian machine', pytorchSequence(root, {}, { littleEndian: false }), /big-endian/],
    ['of another version', pytorchSequence(root, {}, { version: 1002 }), /first pickles are not those of PyTorch/],
    ['with a storage of nobody', pytorchSequence(root, { 0: six }, { keys: ['9'] }), /storage "9" is of no known type/],
    ['with a storage of another length', pytorchSequence(root, { 0: two }), /storage "0" has two lengths/],
    ['without its storages', pytorchSequence(root, {}, { keys: ['0'] }), /ends too early/],
    ['with a tensor whose storage is not listed', pytorchSequence(root, { 0: six }), /missing or too short/],
  ];
  it.each(damaged)('%s is an error that says so', async (_, file, message) => {
    await expect(read(file)).rejects.toThrow(message);
    await expect(read(file)).rejects.toThrow(DiffrateError);
  });

  it('cut off anywhere, or changed anywhere, gives weights or a DiffrateError', async () => {
    const survives = async (file: Uint8Array): Promise<void> => {
      const result: unknown = await read(file).catch((thrown: unknown) => thrown);
      expect(result instanceof DiffrateError || Object.getPrototypeOf(result) === Object.prototype).toBe(true);
    };
    for (let length = 0; length < whole.length; length += 3) await survives(whole.slice(0, length));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (position, value) => {
        const file = whole.slice();
        file[position] = value;
        await survives(file);
      }),
      { numRuns: 500 },
    );
  });
});
