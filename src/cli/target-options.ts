/** `--ratio`, `--gflops` and `--latency`: the cost that a search is to reach. */
import type { CostTarget } from '../cost/cost.ts';
import { UsageError, quoted } from '../errors.ts';
import { positiveOption } from './options.ts';

/** Definitions of the three options. */
export const targetOptions = {
  ratio: {
    type: 'string',
    valueHint: '0.65',
    description: 'FLOPs of the compressed network as a share of the uncompressed one’s',
  },
  gflops: {
    type: 'string',
    valueHint: '2.9',
    description: 'FLOPs of the compressed network, in 10⁹ multiply-accumulates',
  },
  latency: { type: 'string', valueHint: '12ms', description: 'measured time per image (comes with a later version)' },
} as const;

/** The options as given. */
export interface GivenTarget {
  readonly ratio?: string;
  readonly gflops?: string;
  readonly latency?: string;
}

/**
 * The one target that was given.
 * @param fallback ratio where none was; without it one must be given
 * @throws UsageError if there is none or more than one, or its value is none
 */
export function parseTarget({ ratio, gflops, latency }: GivenTarget, fallback?: number): CostTarget {
  const given = Object.entries({ ratio, gflops, latency }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`],
  );
  if (given.length > 1) throw new UsageError(`${given.join(' and ')} exclude each other: give one target.`);
  if (latency !== undefined) {
    throw new UsageError(
      'Targets of measured latency are not there yet: give --ratio or --gflops, and measure with diffrate bench.',
    );
  }
  const share = positiveOption('ratio', ratio);
  if (share !== undefined && share >= 1)
    throw new UsageError(`--ratio must be below 1, not ${quoted(ratio)}: 0.65 keeps 65 % of the FLOPs.`);
  if (share !== undefined) return { ratio: share };
  const cost = positiveOption('gflops', gflops);
  if (cost !== undefined) return { value: cost, unit: 'GFLOPs' };
  if (fallback === undefined) throw new UsageError('A target is missing: give --ratio or --gflops.');
  return { ratio: fallback };
}
