/**
 * Which metrics tables show of a network: those of a classifier, or how far its answers are from
 * those of the plain network.
 */
import { objectiveTitle } from '../objectives/registry.ts';
import type { MeasuredObjective, Metrics } from './metrics.ts';

/** A line of such a table. */
export type ShownMetric = Exclude<keyof Metrics, 'images'>;

/** What a classifier is measured by; the first three need labels. */
const ofClassifiers: readonly ShownMetric[] = ['top1', 'top5', 'loss', 'agreement', 'kl'];

/** The lines, in order. The objective is among them unless it has a line of its own. */
export function shownMetrics(metrics: Metrics): readonly ShownMetric[] {
  const { objective, kl, top1 } = metrics;
  if (kl !== null || top1 !== null) {
    const known = ofClassifiers.filter((name) => metrics[name] !== null);
    return objective === null || objective.name === 'classDivergence' ? known : [...known, 'objective'];
  }
  const others: readonly ShownMetric[] = ['objective', 'featureDistance', 'agreement', 'neighbourAgreement'];
  return others.filter(
    (name) => metrics[name] !== null && !(name === 'featureDistance' && objective?.name === 'featureDistance'),
  );
}

/** An objective with its unit: `KL divergence of class probabilities (nats)`. */
export function objectiveLabel({ name, unit }: Pick<MeasuredObjective, 'name' | 'unit'>): string {
  return `${objectiveTitle(name)} (${unit})`;
}
