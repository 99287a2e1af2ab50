/** What `diffrate eval` prints: a table, and a sentence where there was nothing to measure. */
import { formatGflops } from '../cost/cost.ts';
import type { ImageFacts } from '../data/labels/describe-labels.ts';
import type { EvaluationResult } from '../evaluation/evaluation-options.ts';
import { isDistance, metricName, metricValue } from '../evaluation/metric-rows.ts';
import { shownMetrics } from '../evaluation/shown-metrics.ts';
import type { Answers } from '../objectives/objective.ts';
import { formatNumber, formatTable } from './output.ts';

/** What was evaluated. */
export interface EvaluatedNetwork {
  /** Whether tokens differ per image. */
  readonly ragged: boolean;
  /** Whether it was compared with another network than itself: there is a schedule, a method, … */
  readonly compared: boolean;
  readonly answers: Answers;
}

/** The table of an evaluation. Of a network beside itself there are no distances to tell. */
export function formatEvaluation(
  result: EvaluationResult & { readonly correction?: string | null; readonly dataset: ImageFacts },
  { ragged, compared, answers }: EvaluatedNetwork,
): string {
  const shown = shownMetrics(result).filter((name) => compared || !isDistance(name));
  const rows = [
    ['images', String(result.images)],
    ['labels', String(result.dataset.labels)],
    ['left out', String(result.skipped.length)],
    ...(typeof result.correction === 'string' ? [['correction', result.correction]] : []),
    [
      `GFLOPs (paper’s count${ragged ? ', mean over images' : ''})`,
      result.gflops === null ? '–' : formatGflops(result.gflops),
    ],
    ...shown.map((name) => [metricName(name, result), metricValue(name, result)]),
    ['images/s', formatNumber(result.imagesPerSecond, 1)],
  ];
  const table = formatTable([result.model, result.schedule ?? result.method], rows);
  return shown.length > 0 ? table : `${table}\n\n${whatCouldBe(answers)}`;
}

/** What would be measured if more were given. */
function whatCouldBe({ kind, size }: Answers): string {
  const give = 'give --schedule or --method, or another network with --reference';
  if (kind === 'features')
    return `The network gives features, which only a comparison says something of: ${give}, to measure their distance and whether images keep their nearest neighbours.`;
  if (kind !== 'classes' || size === 1)
    return `Without another network there is nothing to compare these answers with: ${give}, to measure their distance.`;
  return `The images have no labels, so there is no accuracy: give labels, or ${give.slice('give '.length)}, to measure agreement and KL.`;
}
