/**
 * The search: from a network and a folder of images to a schedule at a target cost (arXiv
 * 2305.17997, section 3.3, or the default recipe for small data). Images arrive decoded from
 * threads; every step is one run of the step graph. In the default recipe a local search on the
 * compressed network itself follows. `docs/search.md` names the file of every step, and the
 * equation of the paper that it follows.
 */
import { defaultBlockOverhead } from '../cost/block-overhead.ts';
import { requireTarget } from '../cost/target-check.ts';
import { onceEach } from '../data/skipped-images.ts';
import { checkTargets } from '../execution/local-evaluator.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import { imagesFor } from '../networks/model.ts';
import { requireStepsWithin, resumedFrom } from './checkpoint.ts';
import type { Identity } from './checkpoint.ts';
import { followGradients } from './gradient-phase.ts';
import type { Learner } from './learners/learner.ts';
import { evaluatorOf, identityOf, learnerOf, planOf, targetOf, tellOfFewImages } from './plan.ts';
import type { Plan } from './plan.ts';
import { checkSearchOptions, plannedOptionNames } from './option-check.ts';
import { PacedCheckpoint } from './paced-checkpoint.ts';
import { refine } from './refinement.ts';
import { searchCheckpoint } from './search-checkpoint.ts';
import type { SearchCheckpoint } from './search-checkpoint.ts';
import type { SearchCourse, Standing } from './search-course.ts';
import type { SearchOptions, SearchOutcome, SearchProgress } from './search-options.ts';
import { scheduleOf } from './searched-schedule.ts';

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
  const settle: SearchCourse['settle'] = (state, doing) => checkpoints.settle(() => checkpointOf(state), doing);
  await tellOfFewImages(options);
  const evaluator = await evaluatorOf(options, plan);
  try {
    const course: SearchCourse = { options, plan, target, evaluator, learner, history, resumed, onProgress, settle };
    await learnNumbers(course);
    const learnt = learner.finish();
    const { refinement } = plan.preset;
    const { kept, localSearch } =
      refinement === undefined ? { kept: learnt } : await refine(course, learnt, refinement);
    await tellOfFewImages(options, evaluator);
    const seconds = elapsed();
    const steps = history.filter(({ phase }) => phase === 'gradients').length;
    const loss = history.at(-1)?.loss ?? 0;
    await checkpoints.finish(
      checkpointOf({ step: plan.steps, loss, ...(localSearch === undefined ? {} : { localSearch }) }),
    );
    return {
      schedule: scheduleOf(options, plan, target, kept, `${steps} steps`),
      history,
      unit,
      steps,
      blockOverhead: refinement?.lossPerCost === undefined ? 0 : (options.blockOverhead ?? defaultBlockOverhead),
      seconds: secondsBefore + seconds,
      waitingShare: evaluator.waitingMilliseconds / 1000 / seconds,
      skipped: evaluator.skipped,
    };
  } finally {
    await evaluator.dispose();
  }
}

/** The first phase: kept numbers follow the gradients of the step graph. */
async function learnNumbers(course: SearchCourse): Promise<void> {
  const { options, plan, evaluator, learner, history, resumed, onProgress, settle } = course;
  const { steps } = plan;
  const { unit } = plan.cost;
  await followGradients(
    { evaluator, plan, first: resumed?.step ?? 0, loss: resumed?.loss ?? 0, steps },
    {
      kept: () => learner.kept(),
      begins: (step) => step === 0,
      ended: () => learner.ended,
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
