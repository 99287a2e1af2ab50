/**
 * The training-free methods on one image's tokens in plain float64 loops, as their authors' code
 * goes about it: lists that are sorted, split and joined. The oracle for the symbolic reducers,
 * which move no token before they know its place; nothing is shared with them.
 */
import type { TokenLayout } from '../../../src/reduction/token-layout.ts';

/** One token: features, size, which input tokens went into it, and what else it carries along. */
export interface PlainToken {
  readonly features: readonly number[];
  readonly size: number;
  readonly source: ReadonlySet<number>;
  /** The mean of those that went into it; 0 where nobody asks. */
  readonly place?: number;
  /** That of the token that others went into. */
  readonly label?: number | undefined;
}

/** One image's attention. */
export interface PlainAttention {
  /** `[head][token]` */
  readonly classRow: readonly (readonly number[])[];
  /** `[head][query][key]` */
  readonly map: readonly (readonly (readonly number[])[])[];
  /** `[head][token][channel]` */
  readonly keys: readonly (readonly (readonly number[])[])[];
  readonly values: readonly (readonly (readonly number[])[])[];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const at = <T>(values: readonly T[], index: number): T => values[index] as T;
const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const length = (vector: readonly number[]): number => Math.sqrt(sum(vector.map((value) => value * value)));
const dot = (a: readonly number[], b: readonly number[]): number => sum(a.map((value, index) => value * at(b, index)));

/** Descending and stable: the first of equals stays first. */
export const descending = (candidates: readonly number[], score: (index: number) => number): number[] =>
  [...candidates].sort((a, b) => score(b) - score(a) || candidates.indexOf(a) - candidates.indexOf(b));

/** Token `index`'s key as a mean over heads, of length 1. */
export function direction(keys: PlainAttention['keys'], index: number): number[] {
  const mean = at(at(keys, 0), index).map(
    (_, channel) => sum(keys.map((head) => at(at(head, index), channel))) / keys.length,
  );
  return mean.map((value) => value / length(mean));
}

/** A token and those that go into it: means by sizes. */
export function joined(destination: PlainToken, sources: readonly PlainToken[]): PlainToken {
  const all = [destination, ...sources];
  const size = sum(all.map((token) => token.size));
  return {
    size,
    label: destination.label,
    place: sum(all.map((token) => token.size * (token.place ?? 0))) / size,
    features: destination.features.map(
      (_, channel) => sum(all.map((token) => token.size * at(token.features, channel))) / size,
    ),
    source: new Set(all.flatMap((token) => [...token.source])),
  };
}

/** Each of `from` finds its best in `to`; the first of equals wins. */
export function bestPartners(
  directions: readonly (readonly number[])[],
  from: readonly number[],
  to: readonly number[],
): Map<number, { partner: number; similarity: number }> {
  return new Map(
    from.map((a) => {
      let best = { partner: -1, similarity: -Infinity };
      for (const b of to) {
        const similarity = dot(at(directions, a), at(directions, b));
        if (similarity > best.similarity) best = { partner: b, similarity };
      }
      return [a, best];
    }),
  );
}

function mergedInto(
  tokens: readonly PlainToken[],
  destinations: readonly number[],
  sources: readonly number[],
  partners: ReadonlyMap<number, { partner: number }>,
): PlainToken[] {
  return destinations.map((destination) =>
    joined(
      at(tokens, destination),
      sources.filter((source) => partners.get(source)?.partner === destination).map((source) => at(tokens, source)),
    ),
  );
}

/** Without a prefix the authors leave even tokens in the order in which they would merge. */
export function tomePlainly(
  tokens: readonly PlainToken[],
  { keys }: PlainAttention,
  wanted: number,
  prefix: number,
): PlainToken[] {
  const pairs = Math.min(wanted, Math.floor((tokens.length - prefix) / 2));
  if (pairs < 1) return [...tokens];
  const directions = indices(tokens.length).map((index) => direction(keys, index));
  const [even, odd] = [0, 1].map((rest) =>
    indices(tokens.length)
      .slice(prefix)
      .filter((index) => index % 2 === rest),
  ) as [number[], number[]];
  const partners = bestPartners(directions, even, odd);
  const ranked = descending(even, (index) => partners.get(index)?.similarity ?? 0);
  const sources = ranked.slice(0, pairs);
  const kept = (prefix === 0 ? ranked : even).filter((index) => !sources.includes(index));
  return [
    ...tokens.slice(0, prefix),
    ...kept.map((index) => at(tokens, index)),
    ...mergedInto(tokens, odd, sources, partners),
  ];
}

export function evitPlainly(
  tokens: readonly PlainToken[],
  { classRow }: PlainAttention,
  rate: number,
  fusion: boolean,
  prefix: number,
): PlainToken[] {
  const patches = tokens.length - prefix;
  const kept = Math.ceil(rate * patches);
  if (kept === patches) return [...tokens];
  const attention = indices(tokens.length).map(
    (index) => sum(classRow.map((head) => at(head, index))) / classRow.length,
  );
  const order = descending(indices(tokens.length).slice(prefix), (index) => at(attention, index));
  const stay = [...tokens.slice(0, prefix), ...order.slice(0, kept).map((index) => at(tokens, index))];
  if (!fusion) return stay;
  const rest = order.slice(kept);
  const features = at(tokens, 0).features.map((_, channel) =>
    sum(rest.map((index) => at(attention, index) * at(at(tokens, index).features, channel))),
  );
  const weighted = sum(rest.map((index) => at(attention, index) * (at(tokens, index).place ?? 0)));
  const fused = {
    features,
    size: 1,
    source: new Set(rest.flatMap((index) => [...at(tokens, index).source])),
    place: weighted / sum(rest.map((index) => at(attention, index))),
    label: at(tokens, at(rest, 0)).label,
  };
  return [...stay, fused];
}

/** Scores of ATS and PPT of the patch tokens that are there, by position; they sum to 1. */
export function contributionScores(
  { classRow, values }: PlainAttention,
  there: readonly boolean[],
  prefix: number,
): number[] {
  const raw = there.map((isThere, index) => {
    if (!isThere || index < prefix) return 0;
    return sum(classRow.map((head) => at(head, index))) * length(values.flatMap((head) => at(head, index)));
  });
  const total = sum(raw);
  return raw.map((value) => value / total);
}

export function pptPlainly(
  tokens: readonly PlainToken[],
  attention: PlainAttention,
  wanted: number,
  threshold: number,
  prefix: number,
): PlainToken[] {
  const removed = Math.min(wanted, Math.floor((tokens.length - prefix) / 2));
  if (removed < 1) return [...tokens];
  const scores = contributionScores(
    attention,
    tokens.map(() => true),
    prefix,
  );
  const patches = scores.slice(prefix);
  const mean = sum(patches) / patches.length;
  const variance = sum(patches.map((score) => (score - mean) ** 2)) / (patches.length - 1);
  if (variance < threshold) return tomePlainly(tokens, attention, removed, prefix);
  const order = descending(indices(tokens.length).slice(prefix), (index) => at(scores, index));
  return [...indices(prefix), ...order.slice(0, patches.length - removed)].map((index) => at(tokens, index));
}

export function pitomePlainly(
  tokens: readonly PlainToken[],
  { keys }: PlainAttention,
  ratio: number,
  block: number,
  depth: number,
  prefix: number,
): PlainToken[] {
  const patches = tokens.length - prefix;
  const removed = Math.floor(patches - patches * ratio);
  if (removed < 1) return [...tokens];
  const directions = indices(tokens.length).map((index) => direction(keys, index));
  const margin = 0.75 - (0.75 * block) / depth;
  const all = indices(tokens.length).slice(prefix);
  const energy = (index: number): number =>
    sum(
      all.map((other) => {
        const x = dot(at(directions, index), at(directions, other)) - margin;
        return x > 0 ? x : Math.expm1(x);
      }),
    ) / patches;
  const energies = new Map(all.map((index) => [index, energy(index)]));
  const ranked = descending(all, (index) => energies.get(index) ?? 0);
  const isFirstHalf = block < Math.floor(depth / 2);
  const taking = isFirstHalf ? ranked : ranked.slice(0, 2 * removed);
  const [even, odd] = [0, 1].map((rest) => taking.filter((_, rank) => rank % 2 === rest)) as [number[], number[]];
  const partners = bestPartners(directions, even, odd);
  const bySimilarity = descending(even, (index) => partners.get(index)?.similarity ?? 0);
  const sources = isFirstHalf ? bySimilarity.slice(0, removed) : even;
  const others = isFirstHalf ? bySimilarity.slice(removed) : ranked.slice(2 * removed);
  return [
    ...tokens.slice(0, prefix),
    ...others.map((index) => at(tokens, index)),
    ...mergedInto(tokens, odd, sources, partners),
  ];
}

/** GTP's graph between positions, prefix tokens included without edges: `D^-½·G·D^-½`. */
export function gtpGraphPlainly(
  features: readonly (readonly number[])[],
  kind: string,
  neighbours: number,
  { prefix, grid: [rows, columns] }: TokenLayout,
): number[][] {
  const patches = rows * columns;
  const isNear = (a: number, b: number): boolean =>
    Math.abs(Math.floor(a / columns) - Math.floor(b / columns)) <= 1 && Math.abs((a % columns) - (b % columns)) <= 1;
  const cosine = (a: number, b: number): number => {
    const [x, y] = [at(features, a + prefix), at(features, b + prefix)];
    return dot(x, y) / (length(x) * length(y));
  };
  const edges = indices(patches).map((row) => {
    const cosines = indices(patches).map((column) => cosine(row, column));
    const threshold = at(
      [...cosines].sort((a, b) => a - b),
      Math.max(0, patches - neighbours - 1),
    );
    return indices(patches).map((column) => {
      if (row === column) return 0;
      const spatial = kind !== 'semantic' && isNear(row, column);
      const semantic = kind !== 'spatial' && at(cosines, column) >= threshold;
      return Number(spatial || semantic);
    });
  });
  const degree = edges.map((row) => Math.max(1, sum(row)));
  const weight = (a: number, b: number): number => at(at(edges, a), b) / Math.sqrt(at(degree, a) * at(degree, b));
  return indices(prefix + patches).map((row) =>
    indices(prefix + patches).map((column) =>
      Math.min(row, column) < prefix ? 0 : weight(row - prefix, column - prefix),
    ),
  );
}

/** One block of GTP; `graph` is between the tokens as they are now. Scales are sizes. */
export function gtpPlainly(
  tokens: readonly PlainToken[],
  { map }: PlainAttention,
  graph: readonly (readonly number[])[],
  propagated: number,
  alpha: number,
  prefix: number,
): PlainToken[] {
  const score = (index: number): number =>
    Math.max(...map.map((head) => at(at(head, index), index))) *
    Math.max(...map.map((head) => sum(head.map((row) => at(row, index)))));
  const order = descending(indices(tokens.length).slice(prefix), score);
  const kept = [...indices(prefix), ...order.slice(0, order.length - propagated)];
  const gone = order.slice(order.length - propagated);
  return kept.map((index) => {
    const token = at(tokens, index);
    const weighted = (value: (other: PlainToken) => number): number =>
      alpha * sum(gone.map((other) => at(at(graph, index), other) * value(at(tokens, other))));
    return {
      ...token,
      size: token.size + weighted((other) => other.size),
      features: token.features.map((feature, channel) => feature + weighted((other) => at(other.features, channel))),
    };
  });
}

/**
 * Attention weights below the k-th smallest of the whole map become 0, `k = ⌊N²·(1 − sparsity)⌋`.
 */
export function sparsifiedPlainly(map: readonly (readonly number[])[], sparsity: number): number[][] {
  const count = Math.trunc(map.length * map.length * (1 - sparsity));
  const threshold =
    count < 1
      ? -Infinity
      : at(
          map.flat().sort((a, b) => a - b),
          count - 1,
        );
  return map.map((row) => row.map((value) => (value < threshold ? 0 : value)));
}

/**
 * Positions that ATS keeps, the prefix first, then the picked ones in ascending order of scores.
 * @param padded length of the authors' list, the prefix counted, as it is in `references`.
 */
export function atsPlainly(
  scores: readonly number[],
  there: readonly boolean[],
  padded: number,
  references: number,
  prefix: number,
): number[] {
  const picks = references - prefix;
  const valid = indices(scores.length).filter((index) => index >= prefix && at(there, index));
  const ascending = [...valid].sort((a, b) => at(scores, a) - at(scores, b) || a - b);
  const list: { position: number; value: number }[] = [
    ...indices(padded - prefix - valid.length).map(() => ({ position: -1, value: 0 })),
    ...ascending.map((position) => ({ position, value: at(scores, position) })),
  ];
  let running = 0;
  const sums = list.map(({ value }) => (running += value));
  const [low, high] = [Math.min(...sums), Math.max(...sums)];
  const heights = sums.map((value) => (value - low) / (high - low));
  const start = Math.min(...heights.filter((height) => height !== 0));
  const first = references < padded ? list.length - picks : 0;
  const picked = new Set<number>();
  for (let step = 0; step < picks; step++) {
    const wanted = start + (step * (1 - start)) / (picks - 1);
    let best = first;
    for (let index = first; index < list.length; index++)
      if (Math.abs(wanted - at(heights, index)) < Math.abs(wanted - at(heights, best))) best = index;
    picked.add(best);
  }
  if (Math.max(...picked) === 1) picked.delete(1);
  return [...indices(prefix), ...[...picked].sort((a, b) => a - b).map((index) => at(list, index).position)];
}

/** ATS's softmax of one row of logits. */
export function smoothedPlainly(logits: readonly number[], there: readonly boolean[], padded: number): number[] {
  const valid = logits.filter((_, index) => at(there, index));
  const highest = Math.max(...valid, ...(valid.length < padded ? [0] : []));
  const total = sum(valid.map((logit) => Math.exp(logit - highest)));
  return logits.map((logit, index) =>
    at(there, index) ? (Math.exp(logit - highest) + 1e-6 / padded) / (total + 1e-6) : 0,
  );
}
