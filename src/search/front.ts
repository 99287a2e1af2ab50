/**
 * A whole front in one search: schedules at falling budgets, each started from its neighbours.
 *
 * The budget in the middle and the cheapest are searched as one schedule is: gradients, then compressed networks themselves. From the middle
 * the walk goes to the dearest budget, and then to the cheapest. Each of the others starts from what was found next to it
 * (`continued-schedule.ts`), and the local search goes on in the order of moves. From the middle to the cheapest, a step down the response
 * surface comes before it (`response-surface.ts`). In the end the middle is compared with the line between its neighbours. The step graph, the teacher's answers and the calibration images are loaded once.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { CalibrationSet } from './calibration-set.ts';
import { continuedSchedule, orBetween } from './continued-schedule.ts';
import { readFrontCheckpoint } from './front-checkpoint.ts';
import type { FoundPoint, FrontCheckpoint } from './front-checkpoint.ts';
import type { FrontOptions, FrontOutcome, FrontProgress } from './front-options.ts';
import { frontPlanOf } from './front-plan.ts';
import type { FrontBudget, FrontPlan, FrontTurn } from './front-plan.ts';
import { followGradients } from './gradient-phase.ts';
import type { ImageSupply } from './gradient-phase.ts';
import { PositionLearner } from './learners/position-learner.ts';
import { continueLocalSearch, localSearch } from './local-search.ts';
import type { LocalSearchContext, LocalSearchProgress, LocalSearchState } from './local-search.ts';
import { PacedCheckpoint } from './paced-checkpoint.ts';
import { identityOf, passesOf } from './plan.ts';
import { numbersOf } from './projection.ts';
import { lossesOf, meanOf } from './race.ts';
import type { Entrant } from './race.ts';
import { surfaceStep } from './response-surface.ts';
import { scheduleOf } from './searched-schedule.ts';
import { startAfterGradients } from './starting-schedule.ts';
import type { KnownStart } from './starting-schedule.ts';

/** What the phases share, and where they stand. */
interface Course {
  readonly options: FrontOptions;
  readonly plan: FrontPlan;
  readonly session: SessionOptions;
  /** Of the turns that follow gradients. */
  readonly learners: ReadonlyMap<FrontTurn, PositionLearner>;
  readonly found: FoundPoint[];
  readonly resumed: FrontCheckpoint | undefined;
  readonly report: (turn: FrontTurn, progress: Omit<FrontProgress, 'ratio' | 'point' | 'points'>) => void;
  /** Writes a checkpoint where one is due, and stops the search where that was asked for. */
  readonly settle: (state: Omit<FrontCheckpoint, 'identity' | 'learners' | 'found'>, doing: string) => Promise<void>;
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
  const { budgets, turns, search } = plan;
  const identity = identityOf(options, search, `front ${budgets.map(({ ratio }) => ratio).join(' ')}`);
  const { checkpoint, device, threads } = options;
  const resumed =
    options.resume && checkpoint !== undefined ? await readFrontCheckpoint(checkpoint, identity) : undefined;
  const learnt = turns.filter(({ steps }) => steps > 0);
  const learners = new Map(learnt.map((turn) => [turn, learnerFor(plan, turn.budget)]));
  resumed?.learners.forEach((state, index) => learners.get(learnt[index] as FrontTurn)?.restore(state));
  const found = [...(resumed?.found ?? [])];
  const checkpoints = new PacedCheckpoint<FrontCheckpoint>(options);
  const course: Course = {
    options,
    plan,
    session: { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) },
    learners,
    found,
    resumed,
    report: (turn, progress) =>
      onProgress({ ...progress, ratio: turn.budget.ratio, point: turns.indexOf(turn) + 1, points: turns.length }),
    settle: (state, doing) =>
      checkpoints.settle(
        () => ({ identity, learners: [...learners.values()].map((learner) => learner.save()), found, ...state }),
        doing,
      ),
  };
  const start = performance.now();
  const { waitingMilliseconds, skipped } = await learnStarts(course);
  await refineAll(course);
  const seconds = (performance.now() - start) / 1000;
  await checkpoints.remove();
  const recipe = `a front of ${budgets.length} budgets, ${plan.steps} steps`;
  return {
    points: budgets.map(({ ratio, target }) => {
      const { kept, loss } = pointOf(found, ratio);
      return { ratio, loss, schedule: scheduleOf(options, search, target, kept, recipe) };
    }),
    baselineGflops: search.cost.baseline,
    steps: plan.steps,
    passes: Math.round(passesDone(found)),
    seconds,
    waitingShare: waitingMilliseconds / 1000 / seconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    skipped,
  };
}

/** The first phase: the numbers of one turn after the other follow the gradients of the step graph. */
async function learnStarts({
  options,
  plan,
  session,
  learners,
  resumed,
  report,
  settle,
}: Course): Promise<ImageSupply> {
  const { search, steps } = plan;
  const starts = [...learners].map(([turn, learner], index, all) => ({
    turn,
    learner,
    first: all.slice(0, index).reduce((sum, [before]) => sum + before.steps, 0),
  }));
  type Start = (typeof starts)[number];
  const at = (step: number): Start => starts.findLast(({ first }) => first <= step) as Start;
  let next = resumed?.step ?? 0;
  return followGradients(
    { options, plan: search, session, first: next, loss: resumed?.loss ?? 0, steps },
    {
      kept: () => at(next).learner.kept(),
      learn: async ({ step, result, loss, imagesPerSecond, secondsLeft }) => {
        const { turn, learner, first } = at(step);
        next = step + 1;
        const gflops = search.cost.value(learner.kept());
        learner.update(result, (next - first) / turn.steps);
        report(turn, { phase: 'gradients', step: next, steps, loss, gflops, imagesPerSecond, secondsLeft });
        await settle({ step: next, loss }, `after step ${next} of ${steps}`);
      },
    },
  );
}

/** The second phase: budget after budget, compressed networks themselves are asked. */
async function refineAll(course: Course): Promise<void> {
  const { options, plan, session, found } = course;
  const { search, refinement, turns } = plan;
  if (found.length === turns.length) return;
  const images = await CalibrationSet.load(options, search, refinement.looks, session);
  try {
    await refineAllOn(images, course);
  } finally {
    await images.dispose();
  }
}

async function refineAllOn(images: CalibrationSet, course: Course): Promise<void> {
  const { plan, found, resumed, report, settle } = course;
  const { search, turns } = plan;
  const passes = plan.front.passes * passesOf(search, plan.refinement, images.looks.images);
  const before = passesDone(found) + (resumed?.localSearch?.passes ?? 0);
  const start = performance.now();
  let continued = resumed?.localSearch;
  let first = await startedAgain(course, images);
  for (const turn of turns.slice(found.length)) {
    const { ratio, target } = turn.budget;
    const { network, fixed, cost, seed } = search;
    const recipe = plan.refinement;
    const context = { network, fixed, cost, target, recipe, passes: Math.ceil(passes * turn.share), seed };
    const done = passesDone(found);
    const onMove = async (move: LocalSearchProgress): Promise<void> => {
      const now = done + move.state.passes;
      const imagesPerSecond = ((now - before) * 1000) / (performance.now() - start);
      report(turn, {
        phase: 'local search',
        step: Math.min(Math.round(now), Math.ceil(passes)),
        steps: Math.ceil(passes),
        loss: move.loss,
        gflops: cost.value(move.kept),
        imagesPerSecond,
        secondsLeft: Math.max(0, passes - now) / imagesPerSecond,
      });
      const state = { step: plan.steps, loss: move.loss, localSearch: move.state };
      await settle(state, `in the local search of budget ${ratio}`);
    };
    const started = continued === undefined ? await startOf(course, turn, context, images) : undefined;
    if (started !== undefined) await onMove(whereItStarts(started));
    const begin = started?.begin ?? (continued as LocalSearchState);
    continued = undefined;
    const { kept, loss, losses, state } = await localSearch(context, images, begin, onMove, started?.known);
    found.push({ ratio, kept, loss, localSearch: { ...state, tried: [] } });
    if (found.length === 1) first = { kept, losses };
  }
  await returnToFirst(course, images, first);
}

/** What a search that goes on needs to know of the first budget; the schedule of the last one leads, as it did before the stop. */
async function startedAgain({ found, resumed }: Course, images: CalibrationSet): Promise<Entrant | undefined> {
  const [first, last] = [found[0], found.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const { losses } = await lossesOf(images, first.kept);
  if (last !== first && resumed?.localSearch === undefined) await lossesOf(images, last.kept);
  return { kept: first.kept, losses };
}

/** The first budget had no neighbours when its turn came: in the end the line between them is compared with what was found. */
async function returnToFirst(
  { plan, found }: Course,
  images: CalibrationSet,
  known: Entrant | undefined,
): Promise<void> {
  const { budgets, search } = plan;
  const [point] = found as [FoundPoint];
  const position = budgets.findIndex(({ ratio }) => ratio === point.ratio);
  const [dearer, cheaper] = [budgets[position - 1], budgets[position + 1]];
  if (known === undefined || dearer === undefined || cheaper === undefined) return;
  const { kept, losses, passes } = await orBetween(
    { ...search, target: (budgets[position] as FrontBudget).target },
    images,
    {
      known,
      dearer: pointOf(found, dearer.ratio).kept,
      cheaper: pointOf(found, cheaper.ratio).kept,
    },
  );
  const localSearch = { ...point.localSearch, passes: point.localSearch.passes + passes };
  found[0] = { ...point, kept, loss: meanOf(losses), localSearch };
}

/** Where the local search of a turn starts: that of a cheaper budget after a step down the response surface. */
async function startOf(
  course: Course,
  turn: FrontTurn,
  context: LocalSearchContext,
  images: CalibrationSet,
): Promise<KnownStart> {
  const { plan, found, settle } = course;
  const look = found.length % images.looks.count;
  const { begin, known } = await firstStart(course, turn, context, images, look);
  if (!turn.cheaper) return { begin, known };
  const state = { step: plan.steps, loss: found.at(-1)?.loss ?? 0 };
  const settled = (): Promise<void> => settle(state, `before the local search of budget ${turn.budget.ratio}`);
  const step = await surfaceStep(context, images, { known, look, recipe: plan.front.surface }, settled);
  const { merged, pruned } = numbersOf(context, step.kept);
  return { begin: { ...begin, merged, pruned, passes: begin.passes + step.passes }, known: step };
}

const whereItStarts = ({ begin, known }: KnownStart): LocalSearchProgress => ({
  state: begin,
  kept: known.kept,
  loss: meanOf(known.losses),
});

/** What gradients have learnt, or what follows from the neighbours. */
async function firstStart(
  { plan, learners, found }: Course,
  turn: FrontTurn,
  context: LocalSearchContext,
  images: CalibrationSet,
  look: number,
): Promise<KnownStart> {
  const { budget, nearest, beyond, across } = turn;
  const uniform = learnerFor(plan, budget).finish();
  const learner = learners.get(turn);
  if (learner !== undefined) return startAfterGradients(context, images, { learnt: learner.finish(), uniform });
  const former = pointOf(found, (nearest as FrontBudget).ratio);
  const keptAt = (other: FrontBudget | undefined): KeptNumbers | undefined =>
    other === undefined ? undefined : pointOf(found, other.ratio).kept;
  const neighbours = { nearest: former.kept, beyond: keptAt(beyond), across: keptAt(across), uniform };
  const known = await continuedSchedule(context, images, neighbours, look);
  return { begin: continueLocalSearch(context, known.kept, known.passes, former.localSearch), known };
}

/** A learner that has learnt nothing: its schedule is the uniform rate. */
function learnerFor({ search, learner }: FrontPlan, { target }: FrontBudget): PositionLearner {
  return new PositionLearner(search.network, search.fixed, search.cost, target, learner);
}

const passesDone = (found: readonly FoundPoint[]): number =>
  found.reduce((sum, { localSearch: { passes } }) => sum + passes, 0);

const pointOf = (found: readonly FoundPoint[], ratio: number): FoundPoint =>
  found.find((point) => point.ratio === ratio) as FoundPoint;
