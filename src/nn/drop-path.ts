/**
 * Drop path (stochastic depth, arXiv 1603.09382, as timm's `DropPath` with `scale_by_keep`): while
 * training, a residual branch is left out for single images. Images that keep it get it scaled up,
 * so that its expectation stays. The caller draws which images lose which branch, and feeds that as
 * `[B, 1, 1]` per branch: 0, or `1 / (1 − rate)`.
 */
import { mul } from '../graph/operators/index.ts';
import { input } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';

/** The two residual branches of a block. */
export const residualBranches = ['attention', 'mlp'] as const;

/** One of the two. */
export type ResidualBranch = (typeof residualBranches)[number];

/** Changes the output `[B, N, C]` of a residual branch before it is added. */
export type BranchTransform = (output: Tensor, block: number, branch: ResidualBranch) => Tensor;

/** A branch that may be dropped, and the input that says for which images it is dropped. */
export interface DroppedBranch {
  /** Probability that an image loses the branch, below 1. */
  readonly rate: number;
  /** `[batch, 1, 1]`, named `blocks.L.attention.drop_path` or `blocks.L.mlp.drop_path`. */
  readonly mask: Tensor;
}

/**
 * Rates per block, growing linearly from 0 in the first to `rate` in the last (timm's
 * `linspace(0, rate, depth)`).
 */
export function dropPathRates(depth: number, rate: number): number[] {
  return Array.from({ length: depth }, (_, block) => (depth === 1 ? 0 : (rate * block) / (depth - 1)));
}

/**
 * Drop path of a whole network: the branches with a rate above 0, in order, and what is done to
 * each branch's output.
 */
export function dropPath(
  depth: number,
  rate: number,
): { readonly branches: readonly DroppedBranch[]; readonly transform: BranchTransform } {
  const masks = new Map<string, DroppedBranch>();
  for (const [block, own] of dropPathRates(depth, rate).entries()) {
    if (own === 0) continue;
    for (const branch of residualBranches) {
      const mask = input(`blocks.${block}.${branch}.drop_path`, 'float32', ['batch', 1, 1]);
      masks.set(`${block} ${branch}`, { rate: own, mask });
    }
  }
  return {
    branches: [...masks.values()],
    transform: (output, block, branch) => {
      const dropped = masks.get(`${block} ${branch}`);
      return dropped === undefined ? output : mul(output, dropped.mask);
    },
  };
}
