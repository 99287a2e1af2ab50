/**
 * The search of a golden case: loss, logits and proxy gradients of one step, and the kept numbers
 * along a trajectory.
 */
import { float32Values } from '../../src/checkpoints/weights.ts';
import { countFlops, flopsPrices } from '../../src/cost/flops.ts';
import { GradientStep } from '../../src/execution/gradient-step.ts';
import { splitMaskGradient } from '../../src/execution/masks.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { classDivergence } from '../../src/objectives/class-divergence.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { AdamW } from '../../src/search/adamw.ts';
import { CandidateProxy } from '../../src/search/proxies/candidate-proxy.ts';
import { goldenTensor } from './golden-case.ts';
import type { GoldenCase, GoldenTrain } from './golden-case.ts';
import { exactly, numbersOf, relativeToLargest } from './quantity.ts';
import type { Quantity } from './quantity.ts';

const lossTolerance = 1e-4;
const gradientTolerance = 1e-3;
const keptTolerance = 1;

interface Proxies {
  readonly prune: CandidateProxy[];
  readonly merge: CandidateProxy[];
}

interface Step {
  readonly prune: number[];
  readonly merge: number[];
  readonly loss: number;
  readonly gflops: number;
  /** By `prune.L` and `merge.L`. */
  readonly gradients: Map<string, Float64Array>;
}

const float32 = (values: ArrayLike<number>): { type: 'float32'; shape: number[]; data: Float32Array } => ({
  type: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
});

/** Checks one step of the case and its trajectory. */
export async function checkSearch(golden: GoldenCase): Promise<Quantity[]> {
  const { train, trajectory } = golden.description;
  if (train === undefined) return [];
  const { network, weights, description } = golden;
  const model = { network, parameters: parametersFromWeights(weights, description.name) };
  const step = await GradientStep.load(model, {
    runtime: nodeRuntime,
    objective: classDivergence(network.answers.size),
    space: searchSpace(network, true),
    toThemselves: true,
  });
  try {
    const quantities = compareStep(golden, train, await runStep(golden, train, step, proxiesOf(golden)));
    if (trajectory !== undefined) quantities.push(...(await checkTrajectory(golden, train, step)));
    return quantities;
  } finally {
    await step.dispose();
  }
}

function proxiesOf(golden: GoldenCase): Proxies {
  const values = (key: string): number[] => [...float32Values(goldenTensor2(golden, key))];
  const of = (kind: string): CandidateProxy[] =>
    Array.from({ length: golden.network.depth }, (_, block) => {
      const name = `train.${kind}.${block}`;
      return new CandidateProxy(
        values(`${name}.candidates`),
        golden.network.layout,
        Float64Array.from(values(`${name}.rho_logits`)),
      );
    });
  return { prune: of('prune'), merge: of('merge') };
}

function goldenTensor2({ tensors }: GoldenCase, key: string): Parameters<typeof float32Values>[0] {
  return tensors.get(key) as Parameters<typeof float32Values>[0];
}

async function runStep(golden: GoldenCase, train: GoldenTrain, step: GradientStep, proxies: Proxies): Promise<Step> {
  const prune = proxies.prune.map((proxy) => proxy.keptNumber());
  const merge = proxies.merge.map((proxy) => proxy.keptNumber());
  const kept = { pruneKept: prune, mergeKept: merge };
  const pixels = goldenTensor(golden, 'pixels');
  const targets = goldenTensor(golden, 'train.soft_targets').data as Float32Array;
  const shape = pixels.shape as readonly [number, number, number, number];
  const result = await step.run({ pixels: pixels.data as Float32Array, shape, targets }, kept);
  const gflops = countFlops(golden.network, kept).total / 1e9;
  const slope = (2 * train.lambda_flops * (gflops - train.target_gflops)) / 1e9;
  const prices = flopsPrices(golden.network, kept);
  const gradients = new Map<string, Float64Array>();
  proxies.prune.forEach((proxy, block) => {
    const own = result.gradients.find((candidate) => candidate.block === block);
    const masks = own === undefined ? undefined : splitMaskGradient(own.masks, own.mask);
    const price = slope * (prices[block] ?? 0);
    gradients.set(`prune.${block}`, proxy.gradient(masks?.prune, price));
    gradients.set(`merge.${block}`, (proxies.merge[block] as CandidateProxy).gradient(masks?.merge, price));
  });
  // The cross-entropy is the divergence and the entropy of the targets.
  const floor = classDivergence(golden.network.answers.size).floor(targets);
  return { prune, merge, loss: result.loss + floor, gflops, gradients };
}

function compareStep(golden: GoldenCase, train: GoldenTrain, step: Step): Quantity[] {
  const quantities = [
    relativeToLargest('train.prune_kept', float32(step.prune), float32(train.prune_kept), 0),
    relativeToLargest('train.merge_kept', float32(step.merge), float32(train.merge_kept), 0),
    exactly('train.flops', Math.round(step.gflops * 1e9), train.flops),
    relativeToLargest('train.loss_cls', float32([step.loss]), float32([train.loss_cls]), lossTolerance),
  ];
  const largest = Math.max(
    ...[...step.gradients.keys()].flatMap((name) =>
      numbersOf(goldenTensor(golden, `train.${name}.grad`)).map(Math.abs),
    ),
  );
  for (const [name, gradient] of step.gradients) {
    const wanted = numbersOf(goldenTensor(golden, `train.${name}.grad`));
    const worst = Math.max(...wanted.map((value, index) => Math.abs(value - (gradient[index] ?? 0))));
    const own = Math.max(...wanted.map(Math.abs));
    quantities.push({
      name: `train.${name}.grad`,
      error: worst / (own > 0 ? own : largest),
      tolerance: gradientTolerance,
    });
  }
  return quantities;
}

async function checkTrajectory(golden: GoldenCase, train: GoldenTrain, step: GradientStep): Promise<Quantity[]> {
  const { lr, steps } = golden.description.trajectory as {
    lr: number;
    steps: { prune_kept: number[]; merge_kept: number[]; loss_cls: number }[];
  };
  const proxies = proxiesOf(golden);
  const all = new Map([
    ...proxies.prune.map((proxy, block) => [`prune.${block}`, proxy] as const),
    ...proxies.merge.map((proxy, block) => [`merge.${block}`, proxy] as const),
  ]);
  const optimizers = new Map([...all].map(([name, proxy]) => [name, new AdamW(proxy.parameters.length)]));
  let worstKept = 0;
  let sameKept = 0;
  for (const wanted of steps) {
    const result = await runStep(golden, train, step, proxies);
    const differences = [
      ...result.prune.map((value, block) => value - (wanted.prune_kept[block] ?? 0)),
      ...result.merge.map((value, block) => value - (wanted.merge_kept[block] ?? 0)),
    ];
    worstKept = Math.max(worstKept, ...differences.map(Math.abs));
    if (differences.every((difference) => difference === 0)) sameKept += 1;
    for (const [name, proxy] of all)
      (optimizers.get(name) as AdamW).update(proxy.parameters, result.gradients.get(name) as Float64Array, lr);
  }
  return [
    {
      name: `trajectory.kept (${sameKept} of ${steps.length} steps equal)`,
      error: worstKept,
      tolerance: keptTolerance,
    },
  ];
}
