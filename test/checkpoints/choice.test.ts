/** Which weights of a checkpoint are taken: any nesting and prefix, several sets, none that fit. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/checkpoints/byte-source.ts';
import { chooseWeights, type ChosenWeights } from '../../src/checkpoints/choice.ts';
import { openPytorchZip } from '../../src/checkpoints/pytorch-zip.ts';
import { storedTensors } from '../../src/checkpoints/stored-checkpoint.ts';
import { float32Tensor, type WeightTensor, type Weights } from '../../src/checkpoints/weights.ts';
import { DiffrateError } from '../../src/errors.ts';
import { checkParameters } from '../../src/loading/checked-parameters.ts';
import { smallNetwork, smallWeights, tinySizes } from '../small-networks.ts';
import { instructions, type PickleValue } from './pickle-writer.ts';
import { pytorchFile, tensor } from './pytorch-writer.ts';

const network = smallNetwork({ ...tinySizes, depth: 2 });
const weights = smallWeights(network);
const fitting = {
  names: new Set(weights.keys()),
  try: (tried: Weights) => void checkParameters(network, tried, 'x'),
};

/** Chooses among weights of one dictionary. */
function choose(stored: Weights, wanted?: string): ChosenWeights {
  return chooseWeights({ tensors: storedTensors(stored) }, { file: 'x', wanted, ...fitting }).finish(stored);
}

/** A PyTorch file in which each set of weights lies in a dictionary behind keys and a prefix. */
async function chooseNested(
  sets: readonly { readonly keys: readonly string[]; readonly prefix: string; readonly weights: Weights }[],
  beside: readonly (readonly [string, PickleValue])[] = [],
  wanted?: string,
): Promise<ChosenWeights> {
  const root = new Map<PickleValue, PickleValue>(beside);
  const storages: Record<string, Uint8Array> = {};
  for (const { keys, prefix, weights: own } of sets) {
    let dictionary = root;
    for (const key of keys) {
      const inner = (dictionary.get(key) ?? new Map()) as Map<PickleValue, PickleValue>;
      dictionary.set(key, inner);
      dictionary = inner;
    }
    for (const { name, shape, bytes } of own.values()) {
      const key = `${Object.keys(storages).length}`;
      storages[key] = bytes;
      dictionary.set(prefix + name, tensor(key, bytes.byteLength / 4, shape));
    }
  }
  const checkpoint = await openPytorchZip(memorySource('x', pytorchFile(root, storages)));
  const choice = chooseWeights(checkpoint, { file: 'x', wanted, ...fitting });
  return choice.finish(await checkpoint.load(choice.needed));
}

function prefixed(own: Weights, prefix: string): [string, WeightTensor][] {
  return Array.from(own, ([name, one]) => [prefix + name, { ...one, name: prefix + name }]);
}

function without(own: Weights, ...names: string[]): Weights {
  return new Map([...own].filter(([name]) => !names.includes(name)));
}

/** The same weights with another classifier, so that sets can be told apart. */
function withHead(own: Weights, value: number): Weights {
  const head = own.get('head.weight');
  if (head === undefined) throw new Error('no classifier');
  const values = new Float32Array(head.bytes.byteLength / 4).fill(value);
  return new Map(own).set('head.weight', float32Tensor('head.weight', head.shape, values));
}

const headOf = ({ weights: own }: ChosenWeights): number | undefined =>
  new Float32Array(own.get('head.weight')?.bytes.slice().buffer ?? new ArrayBuffer(0))[0];

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DiffrateError);
    return (error as DiffrateError).message;
  }
  throw new Error('nothing was thrown');
}

const word = fc.constantFrom('net', 'encoder', 'visual', 'trunk', 'module', 'x', 'student', 'params', 'weights', '0');

describe('unwrapping', () => {
  it('gives the same weights for any nesting of keys and any prefix', async () => {
    const path = fc.array(word, { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(path, path, fc.boolean(), async (keys, parts, headApart) => {
        const prefix = parts.map((part) => `${part}.`).join('');
        const body = without(weights, 'head.weight', 'head.bias');
        const head = new Map([...weights].filter(([name]) => name.startsWith('head.')));
        // A classifier often stands beside the encoder.
        const apart = parts.slice(0, -1).map((part) => `${part}.`);
        const sets = headApart
          ? [
              { keys, prefix, weights: body },
              { keys, prefix: apart.join(''), weights: head },
            ]
          : [{ keys, prefix, weights }];
        const other = new Map([['state', new Map([['exp_avg', tensor('none', 3, [3])]])]]);
        const found = await chooseNested(sets, [
          ['optimizer', other],
          ['epoch', 3],
        ]);
        expect([...found.weights.keys()].toSorted()).toEqual([...weights.keys()].toSorted());
        for (const [name, { bytes }] of weights) {
          expect(Buffer.from(found.weights.get(name)?.bytes ?? []).equals(Buffer.from(bytes)), name).toBe(true);
        }
        const usual = [...keys, ...parts].every((part) => part === 'module');
        expect(found.warnings).toEqual(
          usual ? [] : [`x: the weights under "${[...keys, ...parts].join('.')}" are taken.`],
        );
      }),
      { numRuns: 60 },
    );
  });

  it('names what else is in the dictionary', () => {
    const text = float32Tensor('text.token', [1], Float32Array.of(1));
    const stored = new Map([...prefixed(weights, 'visual.trunk.'), ['text.token', text] as const]);
    expect(choose(stored)).toMatchObject({ outside: ['text.token'] });
  });

  it('says that a layer "fc" beside the encoder is taken for its classifier', () => {
    const stored = new Map(
      Array.from(weights, ([name, one]) => {
        const own = name.startsWith('head.') ? name.replace('head', 'fc') : `module.${name}`;
        return [own, { ...one, name: own }] as const;
      }),
    );
    const found = choose(stored);
    expect(headOf(found)).toBe(headOf(choose(weights)));
    expect(found.warnings).toEqual(['x: the weights under "module" are taken, with the classifier "fc".']);
  });

  it('keeps the parameters of a method that stand before the prefix', () => {
    const learned = 'reduction.dynamicvit.1.input.weight';
    const own = float32Tensor(learned, [1], Float32Array.of(1));
    const found = choose(new Map([...prefixed(weights, 'vit.'), [learned, own] as const]));
    expect(found.weights.has(learned)).toBe(true);
    expect(found.outside).toEqual([]);
  });
});

describe('of several sets of weights', () => {
  const plain = { keys: ['state_dict'], prefix: '', weights: withHead(weights, 1) };
  const average = { keys: ['state_dict_ema'], prefix: 'module.', weights: withHead(weights, 2) };

  it('plain ones are taken before averages, in any order, and the other is named', async () => {
    for (const sets of [
      [plain, average],
      [average, plain],
    ]) {
      const found = await chooseNested(sets);
      expect(headOf(found)).toBe(1);
      expect(found.warnings).toEqual([
        'x holds 2 sets of weights that fit: "state_dict" is taken; to take "state_dict_ema" give `weights` x#state_dict_ema.',
      ]);
    }
  });

  it.each(['emamodel', 'ema_model', 'model_ema', 'modelEMA', 'averaged', 'averaged_model', 'swa_model', 'swaModel'])(
    'those under "%s" are an average, wherever they stand',
    (name) => {
      const sets = [prefixed(withHead(weights, 2), `${name}.`), prefixed(withHead(weights, 1), 'plain.')];
      for (const order of [sets, sets.toReversed()]) expect(headOf(choose(new Map(order.flat())))).toBe(1);
    },
  );

  it.each(['grad', 'optimizer.state', 'exp_avg', 'exp_avg_sq', 'momentum', 'momentum_buffer', 'init', 'init_model'])(
    'those under "%s" come after all others, an average too',
    (name) => {
      const sets = [prefixed(withHead(weights, 2), `${name}.`), prefixed(withHead(weights, 1), 'model_ema.')];
      for (const order of [sets, sets.toReversed()]) expect(headOf(choose(new Map(order.flat())))).toBe(1);
    },
  );

  it.each(['state_dict_ema', 'state_dict_ema.module', 'state_dict_ema/module', 'module'])(
    'the one that is asked for as #%s is taken without a word',
    async (wanted) => {
      const found = await chooseNested([plain, average], [], wanted);
      expect(headOf(found)).toBe(2);
      expect(found.warnings).toEqual([]);
    },
  );

  it('a prefix is asked for like a key, and nothing for the tensors at the top', () => {
    const stored = new Map([
      ...prefixed(withHead(weights, 1), 'student.backbone.'),
      ...prefixed(withHead(weights, 2), 'teacher.backbone.'),
    ]);
    const found = choose(stored);
    expect(headOf(found)).toBe(1);
    expect(found.warnings).toEqual([
      'x holds 2 sets of weights that fit: "student" is taken; to take "teacher" give `weights` x#teacher.',
    ]);
    expect(headOf(choose(stored, 'teacher'))).toBe(2);
    const atTop = new Map([...withHead(weights, 1), ...prefixed(withHead(weights, 2), 'momentum.')]);
    expect(headOf(choose(atTop))).toBe(1);
    expect(headOf(choose(atTop, 'momentum'))).toBe(2);
    expect(headOf(choose(atTop, ''))).toBe(1);
    expect(messageOf(() => choose(stored, 'other'))).toBe(
      'x has no weights under "other": it has "student", "teacher".',
    );
  });

  it('a whole one is taken before one that is not, whatever it is called', async () => {
    const broken = { ...plain, weights: without(plain.weights, 'blocks.1.mlp.fc2.weight') };
    const found = await chooseNested([broken, average]);
    expect(headOf(found)).toBe(2);
    expect(found.warnings).toEqual(['x: the weights under "state_dict_ema.module" are taken.']);
  });

  it('a classifier of zeros is told apart from one that was trained', async () => {
    const found = await chooseNested([{ ...plain, weights: withHead(weights, 0) }, average]);
    expect(headOf(found)).toBe(0);
    expect(found.warnings[1]).toMatch(/classifier of "state_dict".* is all zeros.*give `weights` x#state_dict_ema/);
  });

  it('the same one under two keys is one', async () => {
    const root = new Map<PickleValue, PickleValue>();
    const storages: Record<string, Uint8Array> = {};
    for (const { name, shape, bytes } of weights.values()) {
      storages[name] = bytes;
      root.set(name, tensor(name, bytes.byteLength / 4, shape));
    }
    // A dictionary that is remembered and recalled: `{"a": d, "b": d}`.
    const shared = [...instructions(root), 0x71, 0];
    const items = [...instructions('model'), ...shared, ...instructions('net'), 0x68, 0];
    const file = pytorchFile(Uint8Array.from([0x80, 2, 0x7d, 0x28, ...items, 0x75, 0x2e]), storages);
    const checkpoint = await openPytorchZip(memorySource('x', file));
    const choice = chooseWeights(checkpoint, { file: 'x', ...fitting });
    expect(choice.finish(await checkpoint.load(choice.needed)).warnings).toEqual([]);
  });
});

describe('where none fits', () => {
  it('the error is that of the set of which most names are known', () => {
    const stored = new Map([
      ...prefixed(without(weights, 'norm.weight'), 'a.'),
      ...prefixed(without(weights, 'norm.weight', 'norm.bias', 'pos_embed'), 'b.'),
    ]);
    expect(messageOf(() => choose(stored))).toMatch(/^x has no tensor "norm\.weight" \(\[6\]\)/);
  });

  const marks: [string, string][] = [
    ['base_model.model.vit.encoder.layer.0.attention.attention.query.lora_A.weight', 'a LoRA adapter'],
    ['encoder.layer.0.layer_scale1.lambda1', 'DINOv2'],
    ['layers.0.blocks.0.attn.relative_position_bias_table', 'Swin'],
    ['text_model.embeddings.token_embedding.weight', 'CLIP with its text part'],
    ['vision_model.embeddings.class_embedding', 'CLIP'],
    ['layer1.0.conv1.weight', 'a convolutional network'],
    ['model.embed_tokens.weight', 'a language model'],
  ];
  it.each(marks)('%s says that it is of %s', (name, family) => {
    const stored = new Map([[name, float32Tensor(name, [2], new Float32Array(2))]]);
    expect(messageOf(() => choose(stored))).toContain(`x looks like `);
    expect(messageOf(() => choose(stored))).toContain(`${family}`);
    expect(messageOf(() => choose(stored))).toContain(`(it holds "${name}")`);
  });

  it('nothing is guessed from names beside an encoder that is understood', () => {
    const text = float32Tensor('', [1], Float32Array.of(1));
    const stored = new Map([
      ...prefixed(without(weights, 'norm.bias'), 'visual.trunk.'),
      ['text.token_embedding.weight', text] as const,
    ]);
    expect(messageOf(() => choose(stored))).toMatch(/has no tensor "norm\.bias"/);
  });

  it('a checkpoint without tensors says so', () => {
    expect(messageOf(() => choose(new Map()))).toMatch(/holds no tensors by name/);
  });
});
