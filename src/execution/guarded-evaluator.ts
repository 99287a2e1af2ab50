/** An evaluator of somebody's own, whose errors are sentences with the error as their cause. */
import { failureOf } from '../runtime/guarded-runtime.ts';
import type { Evaluator } from './evaluator.ts';

const failed = 'The evaluator of the search failed';

/** The same evaluator. */
export async function guardedEvaluator(creating: () => Promise<Evaluator>): Promise<Evaluator> {
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw failureOf(error, failed);
    }
  };
  const evaluator = await guarded(creating);
  return {
    gradient: (kept, batch) => guarded(() => evaluator.gradient(kept, batch)),
    calibrate: (looks, onBatch) => guarded(() => evaluator.calibrate(looks, onBatch)),
    losses: (kept, look) => guarded(() => evaluator.losses(kept, look)),
    lead: (kept) => evaluator.lead(kept),
    get skipped() {
      return evaluator.skipped;
    },
    get waitingMilliseconds() {
      return evaluator.waitingMilliseconds;
    },
    dispose: () => evaluator.dispose(),
  };
}
