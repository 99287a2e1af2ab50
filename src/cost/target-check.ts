/** What callers without types can get wrong about a target. */
import { UsageError, quoted } from '../errors.ts';
import type { CostTarget } from './cost.ts';

const forms = 'give { ratio: 0.65 }, or a value with its unit such as { value: 0.8, unit: "GFLOPs" }';

/**
 * Checks a target.
 * @param work what it is for, in sentences: `search`.
 * @throws {UsageError} where it is none.
 */
export function requireTarget(target: unknown, work: string): asserts target is CostTarget {
  if (target === undefined) throw new UsageError(`The ${work} has no target: ${forms}.`);
  if (typeof target !== 'object' || target === null)
    throw new UsageError(`The target of the ${work} is ${shown(target)}: ${forms}.`);
  const { ratio, value, unit } = target as Record<string, unknown>;
  if (ratio !== undefined && value !== undefined)
    throw new UsageError(`The target of the ${work} has a ratio and a value: give one of them.`);
  if (ratio !== undefined) {
    if (isPositive(ratio) && ratio < 1) return;
    throw new UsageError(
      `The target's ratio must be a number above 0 and below 1, not ${shown(ratio)}: 0.65 keeps 65 % of the cost.`,
    );
  }
  // A value out of reach is told of with the range, where the network is known.
  if (typeof value === 'number' && typeof unit === 'string') return;
  throw new UsageError(`The target of the ${work} is ${quoted(target)}: ${forms}.`);
}

const isPositive = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0;

/** A value as one would type it. */
const shown = (value: unknown): string => quoted(value);
