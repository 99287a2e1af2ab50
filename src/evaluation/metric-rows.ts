/** Metrics in tables: what they are called, and their values as text. */
import type { Metrics } from './metrics.ts';
import { objectiveLabel } from './shown-metrics.ts';
import type { ShownMetric } from './shown-metrics.ts';

/** What a metric is called, with its unit. */
export function metricName(name: ShownMetric, { objective }: Metrics): string {
  if (name === 'objective') return objective === null ? name : objectiveLabel(objective);
  return {
    top1: 'top-1 %',
    top5: 'top-5 %',
    loss: 'loss',
    agreement: 'agreement %',
    kl: 'KL',
    featureDistance: '1 − cosine of features',
    neighbourAgreement: 'same neighbour %',
  }[name];
}

const formatNumber = (value: number | null, digits: number): string => (value === null ? '–' : value.toFixed(digits));

/** Its value, with as many decimals as say something. */
export function metricValue(name: ShownMetric, metrics: Metrics): string {
  if (name === 'objective') return formatNumber(metrics.objective?.value ?? null, 5);
  const digits = { top1: 2, top5: 2, loss: 4, agreement: 2, kl: 5, featureDistance: 5, neighbourAgreement: 2 }[name];
  return formatNumber(metrics[name], digits);
}

/**
 * Whether it compares with the uncompressed network: of that network itself there is nothing to
 * tell.
 */
export function isDistance(name: ShownMetric): boolean {
  return !['top1', 'top5', 'loss'].includes(name);
}
