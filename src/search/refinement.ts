/**
 * The second phase of a search: compressed networks themselves are asked. A line search starts from
 * what gradients have learnt, blocks that are not worth their operators remove nothing any more,
 * and single numbers are moved and compared.
 */
import type { KeptNumbers } from '../reduction/schedule.ts';
import { localSearch } from './local-search.ts';
import type { LocalSearchContext, LocalSearchProgress, LocalSearchState } from './local-search.ts';
import { learnerOf, passesOf } from './plan.ts';
import type { RefinementRecipe } from './presets.ts';
import { EvaluatedImages } from './race/candidate.ts';
import type { SearchCourse } from './search-course.ts';
import { startAfterGradients } from './starting-schedule.ts';
import type { KnownStart } from './starting-schedule.ts';
import { inWorthwhileBlocks } from './worthwhile-blocks.ts';

/** What the second phase gives. */
export interface Refined {
  readonly kept: KeptNumbers;
  readonly localSearch?: LocalSearchState;
}

/** How far it is: image passes so far, and the best schedule with its loss. */
type Report = (passes: number, kept: KeptNumbers, loss: number) => void;

/** Runs it. */
export async function refine(course: SearchCourse, learnt: KeptNumbers, recipe: RefinementRecipe): Promise<Refined> {
  const { options, plan, target, evaluator, history, resumed, settle } = course;
  const looks = await evaluator.calibrate(recipe.looks, () => settleBeforeMoves(course));
  const images = new EvaluatedImages(options.model.network, evaluator, looks);
  const { space, cost, seed } = plan;
  const context = { space, cost, target, recipe, seed, passes: passesOf(plan, recipe, looks.images) };
  const report = reportOf(course, context.passes, resumed?.localSearch?.passes ?? 0);
  const { begin, known } =
    resumed?.localSearch === undefined
      ? await startOf(course, context, images, learnt, report)
      : { begin: resumed.localSearch, known: undefined };
  const onMove = async ({ state, kept, loss }: LocalSearchProgress): Promise<void> => {
    history.push({ phase: 'local search', step: Math.round(state.passes), loss, cost: cost.value(kept) });
    report(state.passes, kept, loss);
    await settle({ step: plan.steps, loss, localSearch: state }, 'in its local search');
  };
  const { kept, state } = await localSearch(context, images, begin, onMove, known);
  return { kept, localSearch: state };
}

/** Where the local search starts: on the line, and in as many blocks as are worth it. */
async function startOf(
  course: SearchCourse,
  context: LocalSearchContext,
  images: EvaluatedImages,
  learnt: KeptNumbers,
  report: Report,
): Promise<KnownStart> {
  const { options, plan, target } = course;
  const onRace = (): Promise<void> => settleBeforeMoves(course);
  const ends = { learnt, uniform: learnerOf(plan, target).finish() };
  const found = await startAfterGradients(context, images, ends, onRace);
  return inWorthwhileBlocks(options, context, images, found, async (passes, loss) => {
    report(passes, found.known.kept, loss);
    await onRace();
  });
}

/** Tells how far the phase is. */
function reportOf({ plan: { cost }, onProgress }: SearchCourse, steps: number, first: number): Report {
  const start = performance.now();
  return (passes, kept, loss) => {
    const imagesPerSecond = ((passes - first) * 1000) / (performance.now() - start);
    onProgress({
      phase: 'local search',
      step: Math.min(Math.round(passes), steps),
      steps,
      loss,
      cost: cost.value(kept),
      unit: cost.unit,
      imagesPerSecond,
      secondsLeft: Math.max(0, steps - passes) / imagesPerSecond,
    });
  };
}

/** Before the local search has moved since this process began; it may have before that. */
function settleBeforeMoves({ plan, history, resumed, settle }: SearchCourse): Promise<void> {
  const localSearch = resumed?.localSearch === undefined ? {} : { localSearch: resumed.localSearch };
  return settle({ step: plan.steps, loss: history.at(-1)?.loss ?? 0, ...localSearch }, 'before its local search');
}
