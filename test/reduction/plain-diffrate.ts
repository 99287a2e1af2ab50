/**
 * DiffRate's reduction of one image's tokens in plain float64 loops (arXiv 2305.17997, section
 * 3.1): the oracle for the symbolic one. It shares nothing with it but the kept numbers.
 */
import type { MergeRule } from '../../src/reduction/merge-rule.ts';
import type { ReductionOrder } from '../../src/reduction/methods/diffrate.ts';

/** One token: features, size, and which input tokens went into it. */
export interface PlainToken {
  readonly features: readonly number[];
  readonly size: number;
  readonly source: ReadonlySet<number>;
}

/** How one block reduces. */
export interface PlainReduction {
  readonly order: ReductionOrder;
  readonly pruneKept: number;
  readonly mergeKept: number;
  /** So many tokens stay in front and take no other. */
  readonly prefix: number;
  readonly merging: MergeRule;
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);

/** Tokens in descending order of their scores. */
function sorted(tokens: readonly PlainToken[], scores: readonly number[], prefix: number): PlainToken[] {
  const others = tokens
    .map((token, index) => ({ token, score: scores[index] as number }))
    .slice(prefix)
    .sort((a, b) => b.score - a.score)
    .map(({ token }) => token);
  return [...tokens.slice(0, prefix), ...others];
}

/**
 * All but the first `kept` join the most similar of those: features become the mean, of tokens or
 * of patches, and sizes add up.
 */
function merged(tokens: readonly PlainToken[], kept: number, reduction: PlainReduction): PlainToken[] {
  const groups = tokens.slice(0, kept).map((destination) => [{ token: destination, similarity: 1 }]);
  for (const source of tokens.slice(kept)) {
    let best = -1;
    let similarity = -Infinity;
    for (let index = reduction.prefix; index < kept; index++) {
      const { features } = tokens[index] as PlainToken;
      const cosine =
        dot(source.features, features) / Math.sqrt(dot(source.features, source.features) * dot(features, features));
      if (cosine > similarity) [best, similarity] = [index, cosine];
    }
    groups[best]?.push({ token: source, similarity });
  }
  return groups.map((group) => ({
    features: (group[0]?.token.features ?? []).map((_, channel) => {
      const weight = ({ size }: PlainToken): number => (reduction.merging === 'patches' ? size : 1);
      const total = group.reduce((sum, { token }) => sum + weight(token), 0);
      return group.reduce((sum, { token }) => sum + weight(token) * (token.features[channel] as number), 0) / total;
    }),
    size: group.reduce(
      (sum, { token, similarity }) => sum + token.size * (reduction.merging === 'similarity' ? similarity : 1),
      0,
    ),
    source: new Set(group.flatMap(({ token }) => [...token.source])),
  }));
}

/** What is left of the tokens that enter a block. */
export function reducePlainly(
  tokens: readonly PlainToken[],
  scores: readonly number[],
  reduction: PlainReduction,
): PlainToken[] {
  const { order, pruneKept, mergeKept, prefix } = reduction;
  const left = Math.min(tokens.length, pruneKept, mergeKept);
  if (left === tokens.length) return [...tokens];
  const inOrder = sorted(tokens, scores, prefix);
  switch (order) {
    case 'prune-merge':
      return merged(inOrder.slice(0, pruneKept), left, reduction);
    case 'merge-prune':
      return merged(inOrder, Math.min(tokens.length, mergeKept), reduction).slice(0, left);
    case 'prune-only':
      return inOrder.slice(0, left);
    case 'merge-only':
      return merged(inOrder, left, reduction);
  }
}
