/**
 * MCTF on one image's tokens in plain float64 loops, as its authors' code goes about it: two rounds
 * of lists, and a map whose columns are added up and whose rows are pooled. Nothing is shared with
 * the symbolic reducer.
 */
import type { MctfOptions } from '../../../src/reduction/methods/mctf.ts';

/** One token, with what it may become part of. */
export interface FusingToken {
  readonly features: readonly number[];
  readonly size: number;
  /** Attention that it receives. */
  readonly received: number;
}

/** Positions of the tokens of each group, that of the token that stays first. */
export type Groups = readonly (readonly number[])[];

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const at = <T>(values: readonly T[], index: number): T => values[index] as T;

function cosine(a: readonly number[], b: readonly number[]): number {
  return sum(a.map((value, index) => value * at(b, index))) / (Math.hypot(...a) * Math.hypot(...b));
}

/** The score of two tokens: a product of what is not left out. */
function scoreOf(
  tokens: readonly FusingToken[],
  a: number,
  b: number,
  { temperatures: { similarity, information, size } }: MctfOptions,
  sized: boolean,
): number {
  const [one, other] = [at(tokens, a), at(tokens, b)];
  const largest = (value: (token: FusingToken) => number): number =>
    Math.max(...tokens.map((token) => 1 / value(token)));
  const share = (value: (token: FusingToken) => number): number =>
    1 / value(one) / largest(value) / value(other) / largest(value);
  let score = 1;
  if (similarity > 0) score *= ((cosine(one.features, other.features) + 1) / 2) ** (1 / similarity);
  if (information > 0) score *= share(({ received }) => received) ** (1 / information);
  if (size > 0 && sized) score *= share((token) => token.size) ** (1 / size);
  return score;
}

/** Groups after both rounds, in the order of the output. */
export function fuseGroups(
  tokens: readonly FusingToken[],
  count: number,
  prefix: number,
  options: MctfOptions,
  sized: boolean,
): Groups {
  const positions = tokens.map((_, position) => position);
  const odd = positions.filter((position) => position % 2 === 1);
  let even = positions.filter((position) => position % 2 === 0);
  const members = new Map(positions.map((position) => [position, [position]]));
  const go = (from: readonly number[], to: readonly number[], wanted: number): number[] => {
    const partners = to.filter((position) => position >= prefix);
    const best = from
      .filter((position) => position >= prefix)
      .map((position) => {
        const scores = partners.map((other) => scoreOf(tokens, position, other, options, sized));
        const score = Math.max(...scores);
        return { position, score, partner: at(partners, scores.indexOf(score)) };
      })
      .sort((a, b) => b.score - a.score);
    for (const { position, partner } of best.slice(0, wanted)) {
      members.get(partner)?.push(...(members.get(position) ?? []));
      members.delete(position);
    }
    return best.map(({ position }) => position);
  };
  const first = options.both ? Math.floor(count / 2) : count;
  go(even, odd, first);
  even = even.filter((position) => members.has(position));
  const later = odd.filter((position) => position >= prefix);
  const order = options.both ? go(odd, even, count - first) : later;
  return [
    ...positions.slice(0, prefix),
    ...even.filter((position) => position >= prefix),
    ...order.filter((position) => members.has(position)),
  ].map((position) => members.get(position) ?? []);
}

/** Rows pooled over groups. */
export function pool(
  rows: readonly (readonly number[])[],
  tokens: readonly FusingToken[],
  groups: Groups,
  pooling: MctfOptions['pooling'],
): number[][] {
  const weight = (position: number): number => {
    const { size, received } = at(tokens, position);
    return pooling === 'attention' ? size * received : pooling === 'size' ? size : 1;
  };
  return groups.map((group) =>
    at(rows, 0).map((_, channel) => {
      if (pooling === 'maximum') return Math.max(...group.map((position) => at(at(rows, position), channel)));
      return sum(group.map((position) => weight(position) * at(at(rows, position), channel))) / sum(group.map(weight));
    }),
  );
}

/** The map `[query][key]` of one head for groups of its tokens. */
export function fuseMap(
  map: readonly (readonly number[])[],
  tokens: readonly FusingToken[],
  groups: Groups,
  pooling: MctfOptions['pooling'],
): number[][] {
  const added = map.map((row) => groups.map((group) => sum(group.map((position) => at(row, position)))));
  return pool(added, tokens, groups, pooling);
}
