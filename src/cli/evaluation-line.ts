/** How far an evaluation is, in words. */
import type { EvaluationProgress } from '../evaluation/evaluation-options.ts';
import { formatSeconds } from './output.ts';

/** One line of progress. */
export function evaluationLine({ images, of, imagesPerSecond, secondsLeft }: EvaluationProgress): string {
  return `${images} of ${of} images, ${imagesPerSecond.toFixed(1)} images/s, ${formatSeconds(secondsLeft)} left`;
}
