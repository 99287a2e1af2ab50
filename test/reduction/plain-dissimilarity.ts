/**
 * The selection rule `dissimilarity` on one image's tokens in plain float64 loops: the oracle for
 * the symbolic one.
 */
import type { Selection } from '../../src/reduction/selection.ts';
import type { PlainToken } from './plain-diffrate.ts';

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] as number), 0);

const lengthOf = (x: readonly number[]): number => Math.sqrt(dot(x, x));

/** A token with what it is judged by. */
interface Judged {
  readonly token: PlainToken;
  readonly alpha: number;
  readonly isPrefix: boolean;
}

const cosine = (a: Judged, b: Judged): number =>
  dot(a.token.features, b.token.features) / (lengthOf(a.token.features) * lengthOf(b.token.features));

/**
 * What is left of the tokens where `pruneKept` of them are not pruned and `mergeKept` stay; the
 * prefix, whose order stays, is in both.
 * @param scores attention of each token
 */
export function selectPlainly(
  tokens: readonly PlainToken[],
  scores: readonly number[],
  pruneKept: number,
  mergeKept: number,
  prefix: number,
  selection: Selection,
): PlainToken[] {
  if (Math.min(pruneKept, mergeKept) >= tokens.length) return [...tokens];
  const scored = tokens.map((token, index) => ({ token, score: scores[index] as number, isPrefix: index < prefix }));
  const inOrder = (order: (one: (typeof scored)[number]) => number) => [
    ...scored.slice(0, prefix),
    ...scored.slice(prefix).sort((a, b) => order(b) - order(a)),
  ];
  const pruned = inOrder(({ score }) => score).slice(0, pruneKept);
  if (mergeKept >= pruned.length) return pruned.map(({ token }) => token);
  const judged = pruned.map(({ token, score, isPrefix }): Judged => ({
    token,
    alpha: score / token.size ** selection.perSize,
    isPrefix,
  }));
  const first = judged.slice(0, prefix);
  const grid = judged.slice(prefix).sort((a, b) => b.alpha - a.alpha);
  const removed = pruned.length - mergeKept;
  // The most important token stays in any case.
  const count = Math.min(grid.length - 1, Math.max(removed + 1, Math.ceil(selection.candidates * grid.length)));
  const candidates = grid.slice(grid.length - count);
  const worth = (one: Judged): number => {
    const better = grid.filter(({ alpha }) => alpha > one.alpha);
    const distance = 1 - Math.max(...better.map((other) => cosine(one, other)));
    return one.alpha * one.token.size * distance ** selection.power;
  };
  candidates.sort((a, b) => worth(b) - worth(a));
  const staying = [...grid.slice(0, grid.length - count), ...candidates.slice(0, count - removed)];
  const groups = [...first, ...staying].map((own) => ({ own, all: [own] }));
  for (const source of candidates.slice(count - removed)) {
    const nearest = groups
      .filter(({ own }) => !own.isPrefix)
      .reduce((best, group) => (cosine(source, group.own) > cosine(source, best.own) ? group : best));
    nearest.all.push(source);
  }
  return groups.map(({ own, all }) => mergedToken(own, all, selection));
}

function mergedToken(own: Judged, all: readonly Judged[], { weight, norm, coherence }: Selection): PlainToken {
  if (all.length === 1) return own.token;
  const weigh = ({ token, alpha }: Judged): number => token.size * alpha ** weight;
  const total = all.reduce((sum, one) => sum + weigh(one), 0);
  const mean = own.token.features.map(
    (_, channel) => all.reduce((sum, one) => sum + weigh(one) * (one.token.features[channel] as number), 0) / total,
  );
  const scale = (lengthOf(own.token.features) / lengthOf(mean)) ** norm;
  const lengthsTogether = all.reduce((sum, one) => sum + weigh(one) * lengthOf(one.token.features), 0);
  const shareOfLength = (lengthOf(mean) * total) / lengthsTogether;
  return {
    features: mean.map((value) => value * scale),
    size: Math.max(1, all.reduce((sum, { token }) => sum + token.size, 0) * shareOfLength ** coherence),
    source: new Set(all.flatMap(({ token }) => [...token.source])),
  };
}
