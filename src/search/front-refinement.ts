/**
 * The second phase of a front's search: budget after budget, compressed networks themselves are asked. Turns start from the schedules found
 * next to them, those below the middle with a step down the response surface, and the local search follows.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { CalibrationSet } from './calibration-set.ts';
import { continuedSchedule, orBetween } from './continued-schedule.ts';
import type { FoundPoint } from './front-checkpoint.ts';
import { learnerFor, passesDone, pointOf } from './front-course.ts';
import type { FrontCourse } from './front-course.ts';
import type { FrontBudget, FrontTurn } from './front-plan.ts';
import { continueLocalSearch, localSearch } from './local-search.ts';
import type { LocalSearchContext, LocalSearchProgress, LocalSearchState } from './local-search.ts';
import { passesOf } from './plan.ts';
import { numbersOf } from './projection.ts';
import { lossesOf, meanOf } from './race.ts';
import type { Entrant } from './race.ts';
import { surfaceStep } from './response-surface.ts';
import { startAfterGradients } from './starting-schedule.ts';
import type { KnownStart } from './starting-schedule.ts';

/** Searches what is not found yet. */
export async function refineAll(course: FrontCourse): Promise<void> {
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

async function refineAllOn(images: CalibrationSet, course: FrontCourse): Promise<void> {
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
async function startedAgain({ found, resumed }: FrontCourse, images: CalibrationSet): Promise<Entrant | undefined> {
  const [first, last] = [found[0], found.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const { losses } = await lossesOf(images, first.kept);
  if (last !== first && resumed?.localSearch === undefined) await lossesOf(images, last.kept);
  return { kept: first.kept, losses };
}

/** The first budget had no neighbours when its turn came: in the end the line between them is compared with what was found. */
async function returnToFirst(
  { plan, found }: FrontCourse,
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
  course: FrontCourse,
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
  { plan, learners, found }: FrontCourse,
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
