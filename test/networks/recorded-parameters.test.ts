/**
 * What a network reads, recorded by building it, against the list of names and shapes that timm's
 * checkpoints have.
 */
import { describe, expect, it } from 'vitest';
import { checkParameters } from '../../src/loading/checked-parameters.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import { networkParameters, parameterRecorder } from '../../src/networks/recorded-parameters.ts';
import type { VisionTransformerConfiguration } from '../../src/networks/vision-transformer/configuration.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import { smallSizes, smallWeights } from '../small-networks.ts';

/** Biases that some ViTs were trained without. */
const optionalBias = /\.(?:qkv|proj|fc1|fc2)\.bias$|^head\.bias$/;
/** The convolution of patches has a bias in any case. */
const patchBias = 'patch_embed.proj.bias';

/** timm's `vision_transformer.py`, written down. */
function timmParameters(c: VisionTransformerConfiguration): Map<string, readonly number[]> {
  const { width, hiddenWidth, patchSize, channels, depth, classes, pool, prefixTokens, inputSize } = c;
  const shapes = new Map<string, readonly number[]>();
  let tokens = Math.floor(inputSize.height / patchSize) * Math.floor(inputSize.width / patchSize);
  for (const { name, count } of prefixTokens) {
    shapes.set(name, [1, count, width]);
    tokens += count;
  }
  shapes.set('pos_embed', [1, tokens, width]);
  shapes.set('patch_embed.proj.weight', [width, channels, patchSize, patchSize]).set(patchBias, [width]);
  const addLinear = (name: string, inputs: number, outputs: number): void => {
    shapes.set(`${name}.weight`, [outputs, inputs]).set(`${name}.bias`, [outputs]);
  };
  const addNorm = (name: string): void => {
    shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  };
  for (let block = 0; block < depth; block++) {
    addNorm(`blocks.${block}.norm1`);
    addLinear(`blocks.${block}.attn.qkv`, width, 3 * width);
    addLinear(`blocks.${block}.attn.proj`, width, width);
    addNorm(`blocks.${block}.norm2`);
    addLinear(`blocks.${block}.mlp.fc1`, width, hiddenWidth);
    addLinear(`blocks.${block}.mlp.fc2`, hiddenWidth, width);
  }
  addNorm(pool === 'mean' ? 'fc_norm' : 'norm');
  if (classes > 0) addLinear('head', width, classes);
  return shapes;
}

const variants: [string, VisionTransformerConfiguration][] = [
  ['that reads its class token', smallSizes],
  ['that reads a mean', { ...smallSizes, pool: 'mean' }],
  ['without a head, of another depth', { ...smallSizes, classes: 0, depth: 2 }],
  [
    'with registers, grey and oblong',
    {
      ...smallSizes,
      channels: 1,
      inputSize: { height: 24, width: 40 },
      prefixTokens: [
        { name: 'cls_token', count: 1 },
        { name: 'reg_token', count: 4 },
      ],
    },
  ],
  ['without prefix tokens', { ...smallSizes, pool: 'mean', prefixTokens: [] }],
];

/** A pooler is asked for where there is no head, and read where there is one. */
const hasNoPooler = (name: string): boolean => !name.startsWith('pooler.');

describe.each(variants)('the parameters of a network %s', (_, configuration) => {
  const network = visionTransformer(configuration);
  const wanted = timmParameters(configuration);

  it('are those of timm’s checkpoint, each once', () => {
    const found = networkParameters(network, hasNoPooler);
    expect(new Map(found.map(({ name, shape }) => [name, shape]))).toEqual(wanted);
    expect(found).toHaveLength(wanted.size);
  });

  it('are optional where they are biases of linear layers', () => {
    const optional = networkParameters(network, hasNoPooler).flatMap((one) => (one.optional ? [one.name] : []));
    const biases = [...wanted.keys()].filter((name) => optionalBias.test(name) && name !== patchBias);
    expect(optional.sort()).toEqual(biases.sort());
  });

  it('are fewer where biases are missing, and their number is what a checkpoint’s check counts', () => {
    const without = (name: string): boolean => hasNoPooler(name) && !name.endsWith('qkv.bias');
    const names = networkParameters(network, without).map(({ name }) => name);
    const rest = [...wanted.keys()].filter((name) => !name.endsWith('qkv.bias'));
    expect(names.toSorted()).toEqual(rest.toSorted());
    const weights = new Map([...smallWeights(network)].filter(([name]) => names.includes(name)));
    const { count, warnings } = checkParameters(network, weights, 'x', { withoutQkvBias: true });
    expect(warnings).toEqual([]);
    const elements = [...wanted].filter(([name]) => names.includes(name)).map(([, shape]) => shape);
    expect(count).toBe(elements.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0));
  });
});

describe('a recorder', () => {
  it('writes down what is read, in the order of reading', () => {
    const network = visionTransformer({ ...smallSizes, depth: 1 });
    const recorder = parameterRecorder();
    expect(recorder.recorded).toEqual([]);
    forward(network, pixelInput(network), { parameters: recorder });
    const names = recorder.recorded.map(({ name }) => name);
    expect(names.indexOf('pos_embed')).toBeLessThan(names.indexOf('blocks.0.norm1.weight'));
    expect(names.indexOf('blocks.0.norm1.weight')).toBeLessThan(names.indexOf('blocks.0.mlp.fc1.weight'));
    expect(names.indexOf('blocks.0.mlp.fc1.weight')).toBeLessThan(names.indexOf('head.weight'));
  });

  it('gives one tensor for one name', () => {
    const recorder = parameterRecorder();
    expect(recorder.tensor('a', [2])).toBe(recorder.tensor('a', [2]));
    expect(recorder.recorded).toEqual([{ name: 'a', shape: [2], optional: false }]);
  });
});
