/**
 * Token-reduction methods side by side: the same network, images, count of FLOPs and engine.
 * Every method gets the parameters at which it costs the most that a budget allows.
 * All methods of a budget see the same batches beside the plain network,
 * a few at a time, so that their sessions fit into memory.
 * What is finished is in a checkpoint.
 */
import { formatGflops } from '../cost/cost.ts';
import { baselineFlops, flopsPerGflop } from '../cost/flops.ts';
import type { CountedNetwork } from '../cost/flops.ts';
import { checkLabels } from '../data/image-source.ts';
import { onceEach } from '../data/skipped-images.ts';
import { DiffrateError } from '../errors.ts';
import { evaluateVariants } from '../evaluation/evaluate.ts';
import type { EvaluationResult } from '../evaluation/evaluation-options.ts';
import { classesOf } from '../evaluation/metrics.ts';
import type { Metrics } from '../evaluation/metrics.ts';
import { measureThroughput } from '../evaluation/throughput.ts';
import { imagesFor } from '../networks/model.ts';
import { formatMethod } from '../reduction/methods/method-text.ts';
import type { MethodText } from '../reduction/methods/method-text.ts';
import { buildMethod } from '../reduction/methods/registry.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ComparisonOptions } from './comparison-options.ts';
import type { BaselineResult, BudgetRanking, Comparison, MeasuredCell } from './comparison.ts';
import { cellName, ComparisonState } from './comparison-state.ts';
import { MethodFit } from './fit-method.ts';
import type { FittedMethod } from './fit-method.ts';
import { MethodCost } from './method-cost.ts';
import { rankSchedules } from './random-ranking.ts';
import type { PlacedSchedule } from './random-ranking.ts';
import { randomSchedules } from './random-schedules.ts';
import type { FoundSchedule, NoSchedule } from './schedule-source.ts';

/** Methods in memory at once, besides the plain network. */
const methodsAtOnce = 3;

/** Images per run, of the evaluation as of the throughput. */
const batchSize = 16;

/** Rounds of a throughput measurement, and those before that do not count. */
const rounds = { counted: 5, warmUp: 1 } as const;

/** Options with defaults in their places. */
interface Settled extends ComparisonOptions {
  readonly runtime: Runtime;
}

/** A method that is ready to be evaluated at a budget. */
interface ReadyMethod extends FittedMethod {
  readonly asked: string;
}

/**
 * Compares methods. Where a checkpoint is asked for, one of the finished comparison stays: remove
 * it when the results are in their place.
 * @throws {DiffrateError} for a budget that no method can reach, images that cannot be used, a
 *   checkpoint of another comparison
 */
export async function compareMethods(asked: ComparisonOptions): Promise<Comparison> {
  // The same image is left out in every pass.
  const told = { ...asked, runtime: asked.runtime ?? nodeRuntime, onWarning: onceEach(asked.onWarning) };
  const options: Settled = { ...told, images: imagesFor(asked.model, asked.images, told) };
  checkLabels(options.images, classesOf(options.model.network.answers));
  const state = await ComparisonState.open(options);
  const planned = await planCells(options, state);
  const random = drawRandom(options);
  for (const budget of options.budgets) {
    const ready: ReadyMethod[] = [];
    for (const text of options.methods) {
      const asked = formatMethod(text);
      if (state.cell(asked, budget) !== undefined) continue;
      const method = planned.get(cellName(asked, budget)) ?? (await scheduled(options, state, text, budget));
      if ('reason' in method) await state.add([{ kind: 'missing', asked, budget, reason: method.reason }]);
      else ready.push({ ...method, asked });
    }
    for (let first = 0; first < ready.length; first += methodsAtOnce) {
      await measure(options, state, budget, ready.slice(first, first + methodsAtOnce));
    }
  }
  const baseline = await requireBaseline(options, state);
  const rankings: BudgetRanking[] = [];
  for (const [budget, schedules] of random) rankings.push(await rank(options, state, budget, schedules));
  const cells = options.budgets.flatMap((budget) =>
    options.methods.flatMap((text) => state.cell(formatMethod(text), budget) ?? []),
  );
  return { model: options.model.name, images: baseline.images, baseline, cells, rankings };
}

/** GFLOPs of the uncompressed network. */
function baselineGflops(network: CountedNetwork): number {
  return baselineFlops(network).total / flopsPerGflop;
}

/** GFLOPs of a share of the uncompressed network. */
function gflopsOf({ model }: Pick<ComparisonOptions, 'model'>, budget: number): number {
  return Number((budget * baselineGflops(model.network)).toPrecision(6));
}

/**
 * Parameters of all methods that have one which sets the cost.
 * @throws {DiffrateError} where a budget is below what any method can reach
 */
async function planCells(
  options: Settled,
  state: ComparisonState,
): Promise<Map<string, FittedMethod | { readonly reason: string }>> {
  const { model, images: folder, methods, budgets, target, schedules, onProgress } = options;
  const cost = new MethodCost(model, folder, options);
  const planned = new Map<string, FittedMethod | { readonly reason: string }>();
  const least: number[] = [];
  const reached = new Set<number>();
  for (const [index, text] of methods.entries()) {
    const asked = formatMethod(text);
    const { knob } = text.method;
    const fit = knob && new MethodFit(text, knob, target, cost);
    for (const budget of budgets) {
      const finished = state.cell(asked, budget);
      if (finished?.kind === 'measured') reached.add(budget);
      if (finished !== undefined) continue;
      onProgress?.({ phase: 'finding parameters', budget, subject: asked, done: index, of: methods.length });
      if (fit === undefined) {
        const missing = schedules.available(gflopsOf(options, budget));
        if (missing === undefined) reached.add(budget);
        else planned.set(cellName(asked, budget), missing);
        continue;
      }
      const found = await fit.fit(gflopsOf(options, budget));
      if ('leastGflops' in found) {
        least.push(found.leastGflops);
        const reason = `out of reach: at least ${formatGflops(found.leastGflops)} GFLOPs`;
        planned.set(cellName(asked, budget), { reason });
      } else {
        reached.add(budget);
        planned.set(cellName(asked, budget), found);
      }
    }
  }
  const unreached = budgets.find((budget) => !reached.has(budget));
  if (unreached !== undefined) {
    const baseline = baselineGflops(model.network);
    const smallest = Math.min(...least);
    const advice = Number.isFinite(smallest)
      ? `the least that one of them can do is ${formatGflops(smallest)} GFLOPs, a share of ${(Math.ceil((1000 * smallest) / baseline) / 1000).toFixed(3)}`
      : ([...planned.values()].flatMap((one) => ('reason' in one ? [one.reason] : []))[0] ?? 'there is none');
    throw new DiffrateError(
      `None of the methods reaches a budget of ${unreached} (${formatGflops(gflopsOf(options, unreached))} GFLOPs) on ${model.name}: ${advice}.`,
    );
  }
  return planned;
}

/** DiffRate by its schedule for a budget. */
async function scheduled(
  options: Settled,
  state: ComparisonState,
  text: MethodText,
  budget: number,
): Promise<FittedMethod | { readonly reason: string }> {
  const { target, model, images: folder } = options;
  const found = await diffRateAt(options, state, budget);
  if ('reason' in found) return found;
  const given = new Map([...text.given, ['schedule', found.name] as const]);
  const method = buildMethod({ ...text, given }, target, { schedule: found.schedule });
  return { method, gflops: await new MethodCost(model, folder, options).gflops(method.method, method) };
}

/** Evaluates some methods on all images, then times each beside the plain network. */
async function measure(
  options: Settled,
  state: ComparisonState,
  budget: number,
  ready: readonly ReadyMethod[],
): Promise<void> {
  const { model, onProgress } = options;
  const subject = ready.map(({ asked }) => asked).join(', ');
  // The plain network runs anyway; only the first time somebody wants to know its results.
  const variants = ready.map(({ method, gflops }) => ({ reducer: method.reducer, gflops }));
  const results = await evaluateVariants(model, state.baseline === null ? [...variants, {}] : variants, {
    ...options,
    batchSize,
    onProgress: ({ images, of, secondsLeft }) =>
      onProgress?.({ phase: 'evaluating', budget, subject, done: images, of, secondsLeft }),
  });
  const plain = results[ready.length];
  if (plain !== undefined) state.baseline = { ...metricsOf(plain), gflops: baselineGflops(model.network) };
  const cells: MeasuredCell[] = [];
  for (const [index, { asked, method, gflops }] of ready.entries()) {
    const [run] = await measureThroughput(model, {
      ...options,
      reducer: method.reducer,
      batches: [batchSize],
      rounds: options.rounds ?? rounds.counted,
      warmUp: rounds.warmUp,
      onProgress: (done, of) => onProgress?.({ phase: 'timing', budget, subject: asked, done, of }),
    });
    const result = results[index];
    if (run === undefined || result === undefined) throw new RangeError('every method has one result');
    cells.push({
      kind: 'measured',
      asked,
      budget,
      method: method.name,
      gflops: result.gflops ?? gflops,
      ragged: method.method.ragged === true,
      imagesPerSecond: run.imagesPerSecond,
      speedup: run.speedup,
      flopsRatio: run.flopsRatio,
      ...metricsOf(result),
    });
  }
  await state.add(cells);
}

/** The uncompressed network; evaluated alone where nothing else had to be. */
async function requireBaseline(options: Settled, state: ComparisonState): Promise<BaselineResult> {
  if (state.baseline === null) await measure(options, state, options.budgets[0] ?? 1, []);
  if (state.baseline === null) throw new RangeError('the uncompressed network was evaluated');
  return state.baseline;
}

function metricsOf(result: EvaluationResult): Metrics {
  const { images, objective, top1, top5, loss, agreement, kl, featureDistance, neighbourAgreement } = result;
  return { images, objective, top1, top5, loss, agreement, kl, featureDistance, neighbourAgreement };
}

/** DiffRate's schedule for a budget. */
function diffRateAt(
  { schedules, model, onProgress }: ComparisonOptions,
  state: ComparisonState,
  budget: number,
): Promise<FoundSchedule | NoSchedule> {
  const gflops = gflopsOf({ model }, budget);
  return schedules.at(gflops, {
    before: state.search(gflops),
    onStage: (stage) => state.keepSearch(gflops, stage),
    onProgress: ({ step, steps, secondsLeft }) =>
      onProgress?.({ phase: 'searching', budget, subject: 'diffrate', done: step, of: steps, secondsLeft }),
  });
}

/**
 * Random schedules by budget, drawn before any long work.
 * @throws {DiffrateError} for a budget that no schedule meets
 */
function drawRandom(options: Settled): Map<number, KeptNumbers[]> {
  const { model, random } = options;
  if (random === undefined) return new Map();
  return new Map(
    random.budgets.map((budget) => {
      const gflops = gflopsOf(options, budget);
      return [budget, randomSchedules(model.network, { count: random.count, gflops, seed: random.seed })];
    }),
  );
}

/** Random schedules at a budget, and where DiffRate's is among them. */
async function rank(
  options: Settled,
  state: ComparisonState,
  budget: number,
  schedules: readonly KeptNumbers[],
): Promise<BudgetRanking> {
  const { model, images: folder, random, onProgress } = options;
  if (random === undefined) throw new RangeError('random schedules were asked for');
  const found = options.methods.some(({ method }) => method.name === 'diffrate')
    ? await diffRateAt(options, state, budget)
    : { reason: 'not asked for' };
  const placed: PlacedSchedule[] = 'reason' in found ? [] : [{ name: found.name, kept: found.schedule }];
  const name = `${random.count} at ${budget}, ${random.images} images, seed ${random.seed}, ${placed.map((one) => one.name).join(' ')}`;
  const ranking = await rankSchedules(model, {
    ...options,
    source: folder,
    images: random.images,
    seed: random.seed,
    random: schedules,
    placed,
    resumed: state.sums(name),
    onBatch: (sums) => state.keepSums(name, sums),
    onProgress: ({ done, of, secondsLeft }) =>
      onProgress?.({ phase: 'random schedules', budget, subject: `${random.count}`, done, of, secondsLeft }),
  });
  return { budget, ...ranking };
}
