/**
 * A whole front in one search: schedules at falling budgets, each started from its neighbours.
 *
 * The budget in the middle and the cheapest are searched as one schedule is: gradients, then
 * compressed networks themselves. From the middle the walk goes to the dearest budget, and then to
 * the cheapest. Each of the others starts from what was found next to it (`continued-schedule.ts`),
 * and the local search goes on in the order of moves. From the middle to the cheapest, both as
 * well, a step down the response surface comes before it (`response-surface.ts`). In the end the
 * middle and each cheaper one race against the lines between their neighbours
 * (`neighbours-line.ts`). The step graph, the teacher's answers and the calibration images are
 * loaded once.
 */
import { checkTargets } from '../../execution/local-evaluator.ts';
import { onceEach } from '../../data/skipped-images.ts';
import { frontCheckpoint } from './front-checkpoint.ts';
import type { FrontCheckpoint } from './front-checkpoint.ts';
import { learnerFor, passesDone, pointOf } from './front-course.ts';
import type { FrontCourse, FrontStanding } from './front-course.ts';
import type { FrontOptions, FrontOutcome, FrontProgress } from './front-options.ts';
import { frontPlanOf } from './front-plan.ts';
import type { FrontPlan, FrontTurn } from './front-plan.ts';
import { refineAll } from './front-refinement.ts';
import { requireKnownOptions } from '../../options/known-options.ts';
import { imagesFor } from '../../networks/model.ts';
import { requireStepsWithin, resumedFrom } from '../checkpoint.ts';
import type { Identity } from '../checkpoint.ts';
import { followGradients } from '../gradient-phase.ts';
import { checkSearchOptions, plannedOptionNames } from '../option-check.ts';
import { PacedCheckpoint } from '../paced-checkpoint.ts';
import { evaluatorOf, identityOf, tellOfFewImages } from '../plan.ts';
import { meanOf } from '../race/race.ts';
import { scheduleOf } from '../searched-schedule.ts';

/** A front's search with everything settled that needs no network to run. */
interface PreparedFront {
  readonly options: FrontOptions;
  readonly plan: FrontPlan;
  readonly identity: Identity;
  readonly resumed: FrontCheckpoint | undefined;
}

/**
 * Settles and checks the search of a front; nothing is run.
 * @throws {DiffrateError} as `searchFront` does before it runs anything.
 */
export async function prepareFront(asked: FrontOptions): Promise<PreparedFront> {
  const told = { ...asked, onWarning: onceEach(asked?.onWarning) };
  checkSearchOptions(told);
  requireKnownOptions(told, { ...plannedOptionNames, front: true }, 'search');
  const options = { ...told, images: imagesFor(told.model, told.images, told) };
  const plan = frontPlanOf(options);
  const { budgets, search } = plan;
  const identity = await identityOf(options, search, `front ${budgets.map(({ ratio }) => ratio).join(' ')}`);
  const resumed = await resumedFrom(options, identity, frontCheckpoint);
  requireStepsWithin(resumed, plan.steps, options.progress?.name);
  if (options.createEvaluator === undefined) checkTargets({ ...options, ...search });
  return { options, plan, identity, resumed };
}

/**
 * Searches the schedules of a front. Progress of the finished search stays in its store:
 * remove it when the schedules are in their place.
 * @throws {DiffrateError} for a budget out of reach (with the reachable range), and whatever
 *   `searchSchedule` refuses.
 * @throws {UsageError} for a range that is none, and for a preset that does not keep a budget
 *   exactly.
 */
export async function searchFront(
  asked: FrontOptions,
  onProgress: (progress: FrontProgress) => void = () => {},
): Promise<FrontOutcome> {
  const { options, plan, identity, resumed } = await prepareFront(asked);
  const { budgets, turns, search } = plan;
  const learnt = turns.filter(({ steps }) => steps > 0);
  const learners = new Map(learnt.map((turn) => [turn, learnerFor(plan, turn.budget)]));
  resumed?.learners.forEach((state, index) => learners.get(learnt[index] as FrontTurn)?.restore(state));
  const found = [...(resumed?.found ?? [])];
  const checkpoints = new PacedCheckpoint<FrontCheckpoint>(options);
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  const secondsBefore = resumed?.seconds ?? 0;
  const checkpointOf = (state: FrontStanding): FrontCheckpoint => ({
    identity,
    learners: [...learners.values()].map((learner) => learner.save()),
    found,
    seconds: secondsBefore + elapsed(),
    ...state,
  });
  await tellOfFewImages(options);
  const evaluator = await evaluatorOf(options, search);
  const course: FrontCourse = {
    options,
    plan,
    evaluator,
    learners,
    found,
    resumed,
    report: (turn, progress) =>
      onProgress({ ...progress, ratio: turn.budget.ratio, point: turns.indexOf(turn) + 1, points: turns.length }),
    settle: (state, doing) => checkpoints.settle(() => checkpointOf(state), doing),
  };
  try {
    await learnStarts(course);
    if (resumed?.done !== true) await refineAll(course);
    await tellOfFewImages(options, evaluator);
    const seconds = elapsed();
    await checkpoints.finish(checkpointOf({ step: plan.steps, loss: meanOf(found.at(-1)?.losses ?? []), done: true }));
    const recipe = `a front of ${budgets.length} budgets, ${plan.steps} steps`;
    return {
      points: budgets.map(({ ratio, target }) => {
        const { kept, losses } = pointOf(found, ratio);
        return { ratio, loss: meanOf(losses), schedule: scheduleOf(options, search, target, kept, recipe) };
      }),
      baseline: search.cost.baseline,
      unit: search.cost.unit,
      steps: plan.steps,
      passes: Math.round(passesDone(found)),
      seconds: secondsBefore + seconds,
      waitingShare: evaluator.waitingMilliseconds / 1000 / seconds,
      skipped: evaluator.skipped,
    };
  } finally {
    await evaluator.dispose();
  }
}

/**
 * The first phase: the numbers of one turn after the other follow the gradients of the step graph.
 */
async function learnStarts({ plan, evaluator, learners, resumed, report, settle }: FrontCourse): Promise<void> {
  const { search, steps } = plan;
  const starts = [...learners].map(([turn, learner], index, all) => ({
    turn,
    learner,
    first: all.slice(0, index).reduce((sum, [before]) => sum + before.steps, 0),
  }));
  type Start = (typeof starts)[number];
  const at = (step: number): Start => starts.findLast(({ first }) => first <= step) as Start;
  let next = resumed?.step ?? 0;
  await followGradients(
    { evaluator, plan: search, first: next, loss: resumed?.loss ?? 0, steps },
    {
      kept: () => at(next).learner.kept(),
      begins: (step) => at(step).first === step,
      ended: (step) => at(step).learner.ended,
      learn: async ({ step, result, loss, imagesPerSecond, secondsLeft }) => {
        const { turn, learner, first } = at(step);
        next = step + 1;
        const { unit } = search.cost;
        const cost = search.cost.value(learner.kept());
        learner.update(result, (next - first) / turn.steps);
        report(turn, { phase: 'gradients', step: next, steps, loss, cost, unit, imagesPerSecond, secondsLeft });
        await settle({ step: next, loss }, `after step ${next} of ${steps}`);
      },
    },
  );
}
