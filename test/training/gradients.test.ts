/**
 * Gradients of all weights of whole networks:
 * in float64 against central finite differences, and as ONNX Runtime computes them.
 */
import { describe, expect, it } from 'vitest';
import { correctedLayout } from '../../src/correction/corrected-parameters.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { pixelCount } from '../../src/execution/network-session.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';
import type { Objective } from '../../src/objectives/objective.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../../src/reduction/methods/registry.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { keepAllTokens } from '../../src/reduction/token-reducer.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats } from '../../src/runtime/runtime.ts';
import { drawDropPath } from '../../src/training/drop-path-draws.ts';
import { drawNoise } from '../../src/training/noise-draws.ts';
import { drawPatches } from '../../src/training/patch-dropout.ts';
import { trainingGraph } from '../../src/training/training-graph.ts';
import type { TrainingGraphOptions } from '../../src/training/training-graph.ts';
import { TrainingStep } from '../../src/training/training-step.ts';
import { layoutOf, learnedLayout, partOf, vectorOf, weightsOf } from '../../src/training/trained-parameters.ts';
import type { ParameterLayout } from '../../src/training/trained-parameters.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { interpret } from '../graph/float64-interpreter.ts';
import { randomValues } from '../random-network.ts';
import { smallWeights } from '../small-networks.ts';
import { withLearned } from '../reduction/methods/learned-weights.ts';
import { tinyNetwork, tinySchedule, tinyWeights } from './tiny-network.ts';

const images = 2;
const step = 1e-5;

type Case = Omit<TrainingGraphOptions, 'layout' | 'objective'> & { readonly layout?: ParameterLayout };

const plain = tinyNetwork();
const readsPatches = tinyNetwork({ pool: 'mean' });
const shortLast = { pruneKept: [10, 8, 7], mergeKept: [10, 7, 7] };
const mergedSchedule = { pruneKept: [10, 10, 7], mergeKept: [10, 7, 4], merging: 'patches' } as const;
const registers = [
  { name: 'cls_token', count: 1 },
  { name: 'reg_token', count: 2 },
];

const cases: readonly [string, Case][] = [
  ...Object.entries({ 'class token': plain, 'mean of patches': readsPatches }).flatMap(
    ([name, network]): [string, Case][] => [
      [`${name}, plain`, { network, dropPath: 0 }],
      [`${name}, drop path`, { network, dropPath: 0.4 }],
      [`${name}, patch dropout`, { network, dropPath: 0, patchDropout: 0.4 }],
      // The last block of networks that read every token keeps what it gets.
      [`${name}, tokens dropped`, { network, dropPath: 0.2, schedule: network === plain ? tinySchedule : shortLast }],
    ],
  ),
  [
    'registers, oblong, patch dropout',
    {
      network: tinyNetwork({ inputSize: { height: 4, width: 6 }, prefixTokens: registers }),
      dropPath: 0,
      patchDropout: 0.4,
    },
  ],
  [
    'registers, tokens dropped',
    { network: tinyNetwork({ prefixTokens: registers }), dropPath: 0, schedule: tinySchedule },
  ],
  [
    'no prefix, tokens dropped',
    { network: tinyNetwork({ pool: 'mean', prefixTokens: [] }), dropPath: 0, schedule: shortLast },
  ],
  [
    'no prefix, normalised before the mean',
    { network: tinyNetwork({ pool: 'mean', prefixTokens: [], lastNorm: 'norm' }), dropPath: 0, schedule: shortLast },
  ],
  ['encoder, tokens dropped', { network: tinyNetwork({ classes: 0 }), dropPath: 0, schedule: tinySchedule }],
  ['labels, tokens dropped', { network: tinyNetwork({ problem: 'labels' }), dropPath: 0, schedule: tinySchedule }],
  ['one value, plain', { network: tinyNetwork({ classes: 1 }), dropPath: 0 }],
  // Of a correction: tokens go, matrices are constants.
  ...[tinySchedule, mergedSchedule].flatMap((schedule: KeptNumbers): [string, Case][] =>
    [plain, readsPatches].map((network) => [
      `scales and biases alone, ${schedule.merging ?? 'as published'}, ${network.reads}`,
      {
        network,
        dropPath: 0,
        schedule: network === plain ? schedule : { ...schedule, ...shortLast },
        layout: correctedLayout(network, () => true),
      },
    ]),
  ),
];

const build = (text: string): NamedMethod => buildMethod(parseMethod(text), plain);
const untrained = weightsOf(layoutOf(plain), tinyWeights(plain, 2));

/** Methods that are trained, beside another network as teacher. */
const methods: readonly [string, Case][] = [
  'dynamicvit:keep=0.6',
  'spvit:keep=0.6/0.3',
  'evovit:keep=0.5',
  'ltmp:target=0.5',
  'dtem:r=2',
].map((text) => [
  text,
  {
    network: plain,
    dropPath: 0.2,
    method: build(text),
    start: parametersFromWeights(withLearned(untrained, build(text), 3), 'the start'),
  },
]);

const asDoubles = (shape: readonly number[], values: ArrayLike<number>): Float64Tensor => ({
  shape,
  data: Float64Array.from(values),
});

/** Targets of random answers, `[images, T]`. */
function targetValues(objective: Objective, size: number): Float32Array {
  return objective.targets(randomValues(images * size, 70));
}

/** What a tensor is computed from at once. */
function operandsOf({ source }: Tensor): readonly Tensor[] {
  if (source.kind === 'custom') return [source.value];
  return source.kind === 'node' ? source.node.inputs.filter((value) => value !== undefined) : [];
}

/** All tensors that a loss is computed from, each after its operands. */
function inOrder(loss: Tensor): Tensor[] {
  const seen = new Set<Tensor>();
  const visit = (tensor: Tensor): void => {
    if (seen.has(tensor)) return;
    for (const operand of operandsOf(tensor)) visit(operand);
    seen.add(tensor);
  };
  visit(loss);
  return [...seen];
}

/**
 * Values through which no gradient flows (similarities, sizes, what tokens are matched by):
 * constants here.
 */
const stoppedAmong = (tensors: readonly Tensor[]): Tensor[] =>
  tensors.filter(({ source }) => source.kind === 'custom' && source.inputs.length === 0);

/**
 * The loss at other values of one tensor. What does not depend on it keeps its value, so that the
 * thousands of evaluations of a test take seconds.
 */
function lossAround(
  loss: Tensor,
  tensors: readonly Tensor[],
  values: ReadonlyMap<Tensor, Float64Tensor>,
): (changed: Tensor) => (value: Float64Tensor) => number {
  const present = interpret(tensors, values);
  return (changed) => {
    const affected = new Set([changed]);
    for (const tensor of tensors) {
      if (!values.has(tensor) && operandsOf(tensor).some((operand) => affected.has(operand))) affected.add(tensor);
    }
    const known = tensors.flatMap((tensor, index): [Tensor, Float64Tensor][] =>
      affected.has(tensor) ? [] : [[tensor, present[index] as Float64Tensor]],
    );
    return (value) => interpret([loss], new Map([...known, [changed, value]]))[0]?.data[0] as number;
  };
}

describe('gradients of all weights', () => {
  it.each([...cases, ...methods])('%s', async (_, given) => {
    const { network, method } = given;
    const objective = objectiveFor(network.answers);
    const { channels, height, width } = network.input;
    const learned = method?.learned;
    const layout =
      given.layout ??
      (learned?.trainsNetwork === false
        ? learnedLayout(learned.parameters)
        : layoutOf(network, undefined, learned?.parameters));
    const weightsOfNetwork = weightsOf(layoutOf(network), tinyWeights(network));
    // Of what an encoder reads beside its answer nothing is trained.
    const rest = parametersFromWeights(smallWeights(network), 'the start');
    const options = { start: rest, ...given, objective, layout };
    const all = withLearned(weightsOfNetwork, {
      reducer: keepAllTokens,
      tokensPerBlock: [],
      ...method,
    });
    const weights = vectorOf(layout, parametersFromWeights(all, 'random weights'));
    const graph = trainingGraph(options);
    const pixels = randomValues(images * pixelCount(network.input), 5);
    const targets = targetValues(objective, network.answers.size);
    const masks = drawDropPath(new RandomGenerator(3), graph.branches, images);
    if (given.dropPath > 0.3) expect(masks.some((mask) => mask.includes(0))).toBe(true);
    const { patches } = graph;
    const keptPatches = patches && drawPatches(new RandomGenerator(4), images, network.layout, patches.kept);
    const [pixelInput, targetInput] = graph.inputs as readonly [Tensor, Tensor];
    const parameterInputs = graph.inputs.slice(-layout.parameters.length);
    const noise = drawNoise(new RandomGenerator(6), graph.noise, images);
    const values = new Map<Tensor, Float64Tensor>([
      ...graph.noise.map(
        (symbol, index) =>
          [symbol, asDoubles([images, ...symbol.shape.slice(1).map(Number)], noise[index] ?? [])] as const,
      ),
      [pixelInput, asDoubles([images, channels, height, width], pixels)],
      [targetInput, asDoubles([images, objective.targetSize], targets)],
      ...(patches === undefined
        ? []
        : [[patches.indices, asDoubles([images, patches.kept, 1], Array.from(keptPatches ?? [], Number))] as const]),
      ...graph.branches.map(({ mask }, index) => [mask, asDoubles([images, 1, 1], masks[index] ?? [])] as const),
      ...layout.parameters.map(
        (parameter, index) =>
          [parameterInputs[index] as Tensor, asDoubles(parameter.shape, partOf(weights, parameter))] as const,
      ),
    ]);
    const exact = interpret(graph.gradients, values);
    const tensors = inOrder(graph.loss);
    const stopped = stoppedAmong(tensors);
    expect(stopped.length > 0).toBe(given.schedule !== undefined || method !== undefined);
    interpret(stopped, values).forEach((value, index) => values.set(stopped[index] as Tensor, value));
    const lossOf = lossAround(graph.loss, tensors, values);
    let checked = 0;
    for (const [index, { name, length }] of layout.parameters.entries()) {
      const tensor = parameterInputs[index] as Tensor;
      const gradient = (exact[index] as Float64Tensor).data;
      const { shape, data } = values.get(tensor) as Float64Tensor;
      const lossWith = lossOf(tensor);
      const lossAt = (direction: Float64Array, by: number): number =>
        lossWith({ shape, data: data.map((value, at) => value + by * (direction[at] ?? 0)) });
      // One direction through every element, and one element by itself: errors cannot cancel in
      // both.
      const directions = [
        Float64Array.from(randomValues(length, 900 + index)),
        new Float64Array(length).fill(0).with(index % length, 1),
      ];
      for (const direction of directions) {
        const difference = (lossAt(direction, step) - lossAt(direction, -step)) / (2 * step);
        const along = gradient.reduce((sum, value, at) => sum + value * (direction[at] ?? 0), 0);
        const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-4);
        expect(Math.abs(along - difference) / largest, name).toBeLessThan(1e-3);
        checked += 1;
      }
    }
    expect(checked).toBe(2 * layout.parameters.length);
    await expectSameInOnnxRuntime(options, weights, { pixels, targets, masks, keptPatches, noise, exact });
  });
});

interface Expected {
  readonly pixels: Float32Array;
  readonly targets: Float32Array;
  readonly masks: readonly Float32Array[];
  readonly keptPatches: BigInt64Array | undefined;
  readonly noise: readonly Float32Array[];
  readonly exact: readonly Float64Tensor[];
}

async function expectSameInOnnxRuntime(
  options: TrainingGraphOptions,
  weights: Float32Array,
  { pixels, targets, masks, keptPatches, noise, exact }: Expected,
): Promise<void> {
  const { layout, network, objective } = options;
  const { channels, height, width } = network.input;
  const loaded = await TrainingStep.load(nodeRuntime, options, weights, { threads: 1 });
  try {
    await loaded.run(
      floats(pixels, [images, channels, height, width]),
      floats(targets, [images, objective.targetSize]),
      masks,
      keptPatches,
      noise,
    );
    for (const [index, parameter] of layout.parameters.entries()) {
      const expected = (exact[index] as Float64Tensor).data;
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-4);
      const error = partOf(loaded.gradient, parameter).reduce(
        (most, value, at) => Math.max(most, Math.abs(value - (expected[at] ?? 0))),
        0,
      );
      expect(error / largest, parameter.name).toBeLessThan(1e-3);
    }
  } finally {
    await loaded.dispose();
  }
}
