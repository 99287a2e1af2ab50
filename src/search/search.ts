/**
 * The search: from a network and a folder of images to a schedule at a target cost (arXiv 2305.17997, section 3.3, or the default
 * recipe for small data). Images arrive decoded from threads; every step is one run of the step graph. In the default recipe a
 * local search on the compressed network itself follows.
 */
import type { SkippedImage } from '../data/batches.ts';
import { distinctImages, onceEach } from '../data/skipped-images.ts';
import type { KeptNumbers } from '../reduction/schedule.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import { CalibrationSet } from './calibration-set.ts';
import { followGradients } from './gradient-phase.ts';
import type { ImageSupply } from './gradient-phase.ts';
import type { Learner } from './learners/learner.ts';
import { localSearch } from './local-search.ts';
import type { LocalSearchProgress, LocalSearchState } from './local-search.ts';
import { identityOf, learnerOf, passesOf, planOf } from './plan.ts';
import type { Plan } from './plan.ts';
import type { RefinementRecipe } from './presets.ts';
import { PacedCheckpoint } from './paced-checkpoint.ts';
import { readSearchCheckpoint } from './search-checkpoint.ts';
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
  readonly session: SessionOptions;
  readonly learner: Learner;
  readonly history: SearchHistoryEntry[];
  readonly resumed: SearchCheckpoint | undefined;
  readonly onProgress: (progress: SearchProgress) => void;
  /** Writes a checkpoint where one is due, and stops the search where that was asked for. */
  readonly settle: (state: Standing, doing: string) => Promise<void>;
}

/**
 * Searches a schedule. Where a checkpoint is asked for, one of the finished search stays: remove it when the schedule is in its place.
 * @throws {DiffrateError} for a target out of reach (with the reachable range), labels that are missing or out of range, images that
 *   cannot be used, a checkpoint of another search.
 */
export async function searchSchedule(
  asked: SearchOptions,
  onProgress: (progress: SearchProgress) => void = () => {},
): Promise<SearchOutcome> {
  const options = { ...asked, onWarning: onceEach(asked.onWarning) };
  const plan = planOf(options);
  const learner = learnerOf(plan, options.targetGflops);
  const identity = identityOf(options, plan, `${options.targetGflops} GFLOPs`);
  const { checkpoint, device, threads } = options;
  const resumed =
    options.resume && checkpoint !== undefined ? await readSearchCheckpoint(checkpoint, identity) : undefined;
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
  const session = { ...(device === undefined ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
  const course: Course = { options, plan, session, learner, history, resumed, onProgress, settle };
  const { waitingMilliseconds, skipped } = await learnNumbers(course);
  const learnt = learner.finish();
  const { refinement } = plan.preset;
  const { kept, ...refined } =
    refinement === undefined ? { kept: learnt, skipped: [] } : await refine(course, learnt, refinement);
  const seconds = elapsed();
  const loss = history.at(-1)?.loss ?? 0;
  const localSearch = 'localSearch' in refined ? { localSearch: refined.localSearch } : {};
  await checkpoints.finish(checkpointOf({ step: plan.steps, loss, ...localSearch }));
  return {
    schedule: scheduleOf(options, plan, options.targetGflops, kept, `${plan.steps} steps`),
    history,
    steps: plan.steps,
    seconds: secondsBefore + seconds,
    waitingShare: waitingMilliseconds / 1000 / seconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    skipped: distinctImages([...skipped, ...refined.skipped]),
  };
}

/** The first phase: kept numbers follow the gradients of the step graph. */
async function learnNumbers(course: Course): Promise<ImageSupply> {
  const { options, plan, session, learner, history, resumed, onProgress, settle } = course;
  const { steps } = plan;
  const first = resumed?.step ?? 0;
  return followGradients(
    { options, plan, session, first, loss: resumed?.loss ?? 0, steps },
    {
      kept: () => learner.kept(),
      begins: (step) => step === 0,
      learn: async ({ step, result, loss, imagesPerSecond, secondsLeft }) => {
        const gflops = plan.cost.value(learner.kept());
        history.push({ phase: 'gradients', step, loss, gflops });
        const done = step + 1;
        learner.update(result, done / steps, Math.floor((step * plan.batchSize) / options.folder.images.length));
        onProgress({ phase: 'gradients', step: done, steps, loss, gflops, imagesPerSecond, secondsLeft });
        await settle({ step: done, loss }, `after step ${done} of ${steps}`);
      },
    },
  );
}

/** What the second phase gives. */
interface Refined {
  readonly kept: KeptNumbers;
  readonly localSearch: LocalSearchState;
  readonly skipped: readonly SkippedImage[];
}

/** The second phase: single numbers are moved and compared on the compressed network. */
async function refine(course: Course, learnt: KeptNumbers, recipe: RefinementRecipe): Promise<Refined> {
  const { options, plan, session } = course;
  const images = await CalibrationSet.load(options, plan, recipe.looks, session, () => settleBeforeMoves(course));
  try {
    return { ...(await refineOn(images, course, learnt, recipe)), skipped: images.skipped };
  } finally {
    await images.dispose();
  }
}

/** Before the local search has moved since this process began; it may have before that. */
function settleBeforeMoves({ plan, history, resumed, settle }: Course): Promise<void> {
  const localSearch = resumed?.localSearch === undefined ? {} : { localSearch: resumed.localSearch };
  return settle({ step: plan.steps, loss: history.at(-1)?.loss ?? 0, ...localSearch }, 'before its local search');
}

async function refineOn(
  images: CalibrationSet,
  course: Course,
  learnt: KeptNumbers,
  recipe: RefinementRecipe,
): Promise<Omit<Refined, 'skipped'>> {
  const { options, plan, history, resumed, onProgress, settle } = course;
  const { network, fixed, cost, seed } = plan;
  const passes = passesOf(plan, recipe, images.looks.images);
  const context = { network, fixed, cost, target: options.targetGflops, recipe, seed, passes };
  const { begin, known } =
    resumed?.localSearch === undefined
      ? await startAfterGradients(
          context,
          images,
          { learnt, uniform: learnerOf(plan, options.targetGflops).finish() },
          () => settleBeforeMoves(course),
        )
      : { begin: resumed.localSearch, known: undefined };
  const start = performance.now();
  const onMove = async ({ state, kept, loss }: LocalSearchProgress): Promise<void> => {
    const gflops = cost.value(kept);
    const step = Math.round(state.passes);
    history.push({ phase: 'local search', step, loss, gflops });
    const imagesPerSecond = ((state.passes - begin.passes) * 1000) / (performance.now() - start);
    const secondsLeft = Math.max(0, passes - state.passes) / imagesPerSecond;
    onProgress({
      phase: 'local search',
      step: Math.min(step, passes),
      steps: passes,
      loss,
      gflops,
      imagesPerSecond,
      secondsLeft,
    });
    await settle({ step: plan.steps, loss, localSearch: state }, 'in its local search');
  };
  const { kept, state } = await localSearch(context, images, begin, onMove, known);
  return { kept, localSearch: state };
}
