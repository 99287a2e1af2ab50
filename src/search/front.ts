/**
 * A whole front in one search: schedules at falling budgets, each warmed by the one before.
 *
 * First one learner follows the gradients while its budget walks down, a few steps at each. Then the budgets are refined from the dearest
 * to the cheapest: the schedule of the one before is brought down to the budget and races against the uniform rate and what was learnt
 * there (`starting-schedule.ts`), and the local search goes on in the order of moves. The step graph, the teacher's answers and the
 * calibration images are loaded once.
 */
import { DiffrateError } from '../errors.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { CalibrationSet } from './calibration-set.ts';
import { removeCheckpoint, writeCheckpoint } from './checkpoint-file.ts';
import { readFrontCheckpoint } from './front-checkpoint.ts';
import type { FoundPoint, FrontCheckpoint } from './front-checkpoint.ts';
import type { FrontOptions, FrontOutcome, FrontProgress } from './front-options.ts';
import { frontPlanOf } from './front-plan.ts';
import type { FrontBudget, FrontPlan } from './front-plan.ts';
import { followGradients } from './gradient-phase.ts';
import type { ImageSupply } from './gradient-phase.ts';
import { PositionLearner } from './learners/position-learner.ts';
import { continueLocalSearch, localSearch, startLocalSearch } from './local-search.ts';
import type { LocalSearchContext, LocalSearchState } from './local-search.ts';
import { identityOf, passesOf } from './plan.ts';
import { imagesPerLook } from './race.ts';
import { scheduleOf } from './searched-schedule.ts';
import { continuedSchedule, startingSchedule } from './starting-schedule.ts';

/** A checkpoint is written at most this often, in ms: a step is cheap to repeat. */
const checkpointInterval = 5000;

/** What the phases share, and where they stand. */
interface Course {
  readonly options: FrontOptions;
  readonly plan: FrontPlan;
  readonly session: SessionOptions;
  readonly learnt: KeptNumbers[];
  readonly found: FoundPoint[];
  readonly resumed: FrontCheckpoint | undefined;
  readonly report: (budget: FrontBudget, progress: Omit<FrontProgress, 'ratio' | 'point' | 'points'>) => void;
  /** Writes a checkpoint where one is due, and stops the search where that was asked for. */
  readonly settle: (state: Omit<FrontCheckpoint, 'identity' | 'learnt' | 'found'>, doing: string) => Promise<void>;
}

/**
 * Searches the schedules of a front.
 * @throws {DiffrateError} for a budget out of reach (with the reachable range), and whatever `searchSchedule` refuses.
 * @throws {UsageError} for a range that is none, and for a preset that does not keep a budget exactly.
 */
export async function searchFront(
  options: FrontOptions,
  onProgress: (progress: FrontProgress) => void = () => {},
): Promise<FrontOutcome> {
  const plan = frontPlanOf(options);
  const { budgets, search } = plan;
  const identity = identityOf(options, search, `front ${budgets.map(({ ratio }) => ratio).join(' ')}`);
  const { checkpoint, device, threads } = options;
  const resumed =
    options.resume && checkpoint !== undefined ? await readFrontCheckpoint(checkpoint, identity) : undefined;
  const learnt = [...(resumed?.learnt ?? [])];
  const found = [...(resumed?.found ?? [])];
  let saved = performance.now();
  const course: Course = {
    options,
    plan,
    session: { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) },
    learnt,
    found,
    resumed,
    report: (budget, progress) =>
      onProgress({
        ...progress,
        ratio: budget.ratio,
        point: budgets.indexOf(budget) + 1,
        points: budgets.length,
      }),
    settle: async (state, doing) => {
      const stopped = options.signal?.aborted === true;
      if (checkpoint !== undefined && (stopped || performance.now() - saved > checkpointInterval)) {
        await writeCheckpoint<FrontCheckpoint>(checkpoint, { identity, learnt, found, ...state });
        saved = performance.now();
      }
      if (stopped) throw new DiffrateError(`The search was stopped ${doing}; continue it with --resume.`);
    },
  };
  const start = performance.now();
  const { waitingMilliseconds, skipped } = await walkDown(course);
  await refineAll(course);
  const seconds = (performance.now() - start) / 1000;
  if (checkpoint !== undefined) await removeCheckpoint(checkpoint);
  const recipe = `a front of ${budgets.length} budgets, ${plan.steps} steps`;
  return {
    points: found.map(({ kept, loss }, index) => {
      const { ratio, target } = budgets[index] as FrontBudget;
      return { ratio, loss, schedule: scheduleOf(options, search, target, kept, recipe) };
    }),
    baselineGflops: search.cost.baseline,
    steps: plan.steps,
    passes: Math.round(found.reduce((sum, { localSearch: { passes } }) => sum + passes, 0)),
    seconds,
    waitingShare: waitingMilliseconds / 1000 / seconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    skipped,
  };
}

/** The first phase: one learner follows the gradients while its budget walks down. */
async function walkDown({ options, plan, session, learnt, resumed, report, settle }: Course): Promise<ImageSupply> {
  const { search, budgets, steps } = plan;
  const first = resumed?.step ?? 0;
  const budgetAt = (step: number): FrontBudget =>
    budgets.findLast(({ firstStep }) => firstStep <= step) ?? (budgets[0] as FrontBudget);
  const { network, fixed, cost } = search;
  const learner = new PositionLearner(network, fixed, cost, budgetAt(Math.min(first, steps - 1)).target, plan.learner);
  if (resumed?.learner !== undefined) learner.restore(resumed.learner);
  return followGradients(
    { options, plan: search, session, first, loss: resumed?.loss ?? 0, steps },
    {
      kept: () => learner.kept(),
      learn: async ({ step, result, loss, imagesPerSecond, secondsLeft }) => {
        const budget = budgetAt(step);
        const done = step + 1;
        const share = (done - budget.firstStep) / budget.steps;
        const gflops = cost.value(learner.kept());
        learner.update(result, budget.progress + share * (1 - budget.progress));
        if (share === 1) {
          learnt.push(learner.finish());
          if (done < steps) learner.retarget(budgetAt(done).target);
        }
        report(budget, { phase: 'gradients', step: done, steps, loss, gflops, imagesPerSecond, secondsLeft });
        await settle({ step: done, loss, learner: learner.save() }, `after step ${done} of ${steps}`);
      },
    },
  );
}

/** The second phase: from the dearest budget to the cheapest, compressed networks themselves are asked. */
async function refineAll(course: Course): Promise<void> {
  const { options, plan, session, found } = course;
  const { search, refinement, budgets } = plan;
  if (found.length === budgets.length) return;
  const images = await CalibrationSet.load(options, search, refinement.looks, session);
  try {
    await refineAllOn(images, course);
  } finally {
    await images.dispose();
  }
}

async function refineAllOn(images: CalibrationSet, course: Course): Promise<void> {
  const { plan, found, resumed, report, settle } = course;
  const { search, budgets, steps } = plan;
  const passes = plan.front.passes * passesOf(search, plan.refinement, images.size);
  const passesDone = (): number => found.reduce((sum, { localSearch: { passes: own } }) => sum + own, 0);
  const before = passesDone() + (resumed?.localSearch?.passes ?? 0);
  const start = performance.now();
  let continued = resumed?.localSearch;
  for (const budget of budgets.slice(found.length)) {
    const { network, fixed, cost, seed } = search;
    const context: LocalSearchContext = {
      network,
      fixed,
      cost,
      target: budget.target,
      recipe: plan.refinement,
      passes: Math.ceil(passes * budget.share),
      seed,
    };
    const begin = continued ?? (await startOf(course, context, images));
    continued = undefined;
    const done = passesDone();
    const { kept, loss, state } = await localSearch(context, images, begin, async (move) => {
      const now = done + move.state.passes;
      const imagesPerSecond = ((now - before) * 1000) / (performance.now() - start);
      report(budget, {
        phase: 'local search',
        step: Math.min(Math.round(now), Math.ceil(passes)),
        steps: Math.ceil(passes),
        loss: move.loss,
        gflops: cost.value(move.kept),
        imagesPerSecond,
        secondsLeft: Math.max(0, passes - now) / imagesPerSecond,
      });
      const doing = `in the local search of budget ${budget.ratio}`;
      await settle({ step: steps, loss: move.loss, localSearch: move.state }, doing);
    });
    found.push({ kept, loss, localSearch: { ...state, tried: [] } });
  }
}

/** Where the local search of the next budget starts. */
async function startOf(
  { plan, learnt, found }: Course,
  context: LocalSearchContext,
  images: CalibrationSet,
): Promise<LocalSearchState> {
  const lookEvery = imagesPerLook(images.size, context.recipe.looks);
  const own = learnt[found.length] as KeptNumbers;
  const { network, fixed, cost, target } = context;
  const uniform = new PositionLearner(network, fixed, cost, target, plan.learner).finish();
  const former = found.at(-1);
  if (former === undefined) {
    const { kept, passes } = await startingSchedule(
      context,
      images,
      { learnt: own, uniform },
      lookEvery,
      context.recipe,
    );
    return startLocalSearch(context, kept, passes);
  }
  const { kept, passes } = await continuedSchedule(context, images, former.kept, { learnt: own, uniform }, lookEvery);
  return continueLocalSearch(context, kept, passes, former.localSearch);
}
