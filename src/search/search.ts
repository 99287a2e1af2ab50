/**
 * The search: from a network and a folder of images to a schedule at a target cost (arXiv
 * 2305.17997, section 3.3, or the default recipe for small data). Images arrive decoded from
 * threads; every step is one run of the step graph. In the default recipe a local search on the
 * compressed network itself follows. `docs/search.md` names the file of every step, and the
 * equation of the paper that it follows.
 */
import { requireTarget } from '../cost/target-check.ts';
import { onceEach } from '../data/skipped-images.ts';
import type { Evaluator } from '../execution/evaluator.ts';
import { checkTargets } from '../execution/local-evaluator.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import { imagesFor } from '../networks/model.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import { requireStepsWithin, resumedFrom } from './checkpoint.ts';
import type { Identity } from './checkpoint.ts';
import { followGradients } from './gradient-phase.ts';
import type { Learner } from './learners/learner.ts';
import { localSearch } from './local-search.ts';
import type { LocalSearchProgress, LocalSearchState } from './local-search.ts';
import { evaluatorOf, identityOf, learnerOf, passesOf, planOf, targetOf, tellOfFewImages } from './plan.ts';
import type { Plan } from './plan.ts';
import type { RefinementRecipe } from './presets.ts';
import { EvaluatedImages } from './race/candidate.ts';
import { checkSearchOptions, plannedOptionNames } from './option-check.ts';
import { PacedCheckpoint } from './paced-checkpoint.ts';
import { searchCheckpoint } from './search-checkpoint.ts';
import type { SearchCheckpoint } from './search-checkpoint.ts';
import type { SearchHistoryEntry, SearchOptions, SearchOutcome, SearchProgress } from './search-options.ts';
import { scheduleOf } from './searched-schedule.ts';
import { startAfterGradients } from './starting-schedule.ts';

/** Where a search stands, besides what its learner has learnt. */
type Standing = Omit<SearchCheckpoint, 'identity' | 'learner' | 'history' | 'seconds'>;

/** What both phases share. */
interface Course {
  readonly options: SearchOptions;
  readonly plan: Plan;
  /** In the cost's unit. */
  readonly target: number;
  readonly evaluator: Evaluator;
  readonly learner: Learner;
  readonly history: SearchHistoryEntry[];
  readonly resumed: SearchCheckpoint | undefined;
  readonly onProgress: (progress: SearchProgress) => void;
  /** Writes a checkpoint where one is due, and stops the search where that was asked for. */
  readonly settle: (state: Standing, doing: string) => Promise<void>;
}

/** A search with everything settled that needs no network to run. */
interface PreparedSearch {
  readonly options: SearchOptions;
  readonly plan: Plan;
  /** In the cost's unit. */
  readonly target: number;
  readonly learner: Learner;
  readonly identity: Identity;
  readonly resumed: SearchCheckpoint | undefined;
}

/**
 * Settles and checks a search; nothing is run.
 * @throws {DiffrateError} as `searchSchedule` does before it runs anything.
 */
export async function prepareSearch(asked: SearchOptions): Promise<PreparedSearch> {
  const told = { ...asked, onWarning: onceEach(asked?.onWarning) };
  checkSearchOptions(told);
  requireKnownOptions(told, { ...plannedOptionNames, target: true }, 'search');
  const options = { ...told, images: imagesFor(told.model, told.images, told) };
  requireTarget(options.target, 'search');
  const plan = planOf(options);
  const target = targetOf(options, plan, options.target);
  const learner = learnerOf(plan, target);
  const identity = await identityOf(options, plan, `${target} ${plan.cost.unit}`);
  const resumed = await resumedFrom(options, identity, searchCheckpoint);
  requireStepsWithin(resumed, plan.steps, options.progress?.name);
  if (options.createEvaluator === undefined) checkTargets({ ...options, ...plan });
  return { options, plan, target, learner, identity, resumed };
}

/**
 * Searches a schedule. Progress of the finished search stays in its store: remove it when the
 * schedule is in its place.
 * @throws {DiffrateError} for a target out of reach (with the reachable range), labels that are
 *   missing or out of range, images that cannot be used, a checkpoint of another search.
 */
export async function searchSchedule(
  asked: SearchOptions,
  onProgress: (progress: SearchProgress) => void = () => {},
): Promise<SearchOutcome> {
  const { options, plan, target, learner, identity, resumed } = await prepareSearch(asked);
  const { unit } = plan.cost;
  if (resumed !== undefined) learner.restore(resumed.learner);
  const history = [...(resumed?.history ?? [])];
  const checkpoints = new PacedCheckpoint<SearchCheckpoint>(options);
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  const secondsBefore = resumed?.seconds ?? 0;
  const checkpointOf = (state: Standing): SearchCheckpoint => ({
    identity,
    learner: learner.save(),
    history,
    seconds: secondsBefore + elapsed(),
    ...state,
  });
  const settle: Course['settle'] = (state, doing) => checkpoints.settle(() => checkpointOf(state), doing);
  await tellOfFewImages(options);
  const evaluator = await evaluatorOf(options, plan);
  try {
    const course: Course = { options, plan, target, evaluator, learner, history, resumed, onProgress, settle };
    await learnNumbers(course);
    const learnt = learner.finish();
    const { refinement } = plan.preset;
    const { kept, localSearch } =
      refinement === undefined ? { kept: learnt } : await refine(course, learnt, refinement);
    await tellOfFewImages(options, evaluator);
    const seconds = elapsed();
    const loss = history.at(-1)?.loss ?? 0;
    await checkpoints.finish(
      checkpointOf({ step: plan.steps, loss, ...(localSearch === undefined ? {} : { localSearch }) }),
    );
    return {
      schedule: scheduleOf(options, plan, target, kept, `${plan.steps} steps`),
      history,
      unit,
      steps: plan.steps,
      seconds: secondsBefore + seconds,
      waitingShare: evaluator.waitingMilliseconds / 1000 / seconds,
      skipped: evaluator.skipped,
    };
  } finally {
    await evaluator.dispose();
  }
}

/** The first phase: kept numbers follow the gradients of the step graph. */
async function learnNumbers(course: Course): Promise<void> {
  const { options, plan, evaluator, learner, history, resumed, onProgress, settle } = course;
  const { steps } = plan;
  const { unit } = plan.cost;
  await followGradients(
    { evaluator, plan, first: resumed?.step ?? 0, loss: resumed?.loss ?? 0, steps },
    {
      kept: () => learner.kept(),
      begins: (step) => step === 0,
      learn: async ({ step, result, loss, imagesPerSecond, secondsLeft }) => {
        const cost = plan.cost.value(learner.kept());
        history.push({ phase: 'gradients', step, loss, cost });
        const done = step + 1;
        learner.update(result, done / steps, Math.floor((step * plan.batchSize) / options.images.images.length));
        onProgress({ phase: 'gradients', step: done, steps, loss, cost, unit, imagesPerSecond, secondsLeft });
        await settle({ step: done, loss }, `after step ${done} of ${steps}`);
      },
    },
  );
}

/** What the second phase gives. */
interface Refined {
  readonly kept: KeptNumbers;
  readonly localSearch?: LocalSearchState;
}

/** Before the local search has moved since this process began; it may have before that. */
function settleBeforeMoves({ plan, history, resumed, settle }: Course): Promise<void> {
  const localSearch = resumed?.localSearch === undefined ? {} : { localSearch: resumed.localSearch };
  return settle({ step: plan.steps, loss: history.at(-1)?.loss ?? 0, ...localSearch }, 'before its local search');
}

/** The second phase: single numbers are moved and compared on the compressed network. */
async function refine(course: Course, learnt: KeptNumbers, recipe: RefinementRecipe): Promise<Refined> {
  const { options, plan, target, evaluator, history, resumed, onProgress, settle } = course;
  const looks = await evaluator.calibrate(recipe.looks, () => settleBeforeMoves(course));
  const images = new EvaluatedImages(options.model.network, evaluator, looks);
  const { space, cost, seed } = plan;
  const passes = passesOf(plan, recipe, looks.images);
  const context = { space, cost, target, recipe, seed, passes };
  const { begin, known } =
    resumed?.localSearch === undefined
      ? await startAfterGradients(context, images, { learnt, uniform: learnerOf(plan, target).finish() }, () =>
          settleBeforeMoves(course),
        )
      : { begin: resumed.localSearch, known: undefined };
  const start = performance.now();
  const onMove = async ({ state, kept, loss }: LocalSearchProgress): Promise<void> => {
    const value = cost.value(kept);
    const step = Math.round(state.passes);
    history.push({ phase: 'local search', step, loss, cost: value });
    const imagesPerSecond = ((state.passes - begin.passes) * 1000) / (performance.now() - start);
    const secondsLeft = Math.max(0, passes - state.passes) / imagesPerSecond;
    onProgress({
      phase: 'local search',
      step: Math.min(step, passes),
      steps: passes,
      loss,
      cost: value,
      unit: cost.unit,
      imagesPerSecond,
      secondsLeft,
    });
    await settle({ step: plan.steps, loss, localSearch: state }, 'in its local search');
  };
  const { kept, state } = await localSearch(context, images, begin, onMove, known);
  return { kept, localSearch: state };
}
