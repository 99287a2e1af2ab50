/** ToFu and the methods that cluster tokens, on one image's tokens in plain float64 loops. */
import type { Linkage } from '../../../src/reduction/agglomeration.ts';
import { bestPartners, descending, direction, joined } from './plain-methods.ts';
import type { PlainAttention, PlainToken } from './plain-methods.ts';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const at = <T>(values: readonly T[], index: number): T => values[index] as T;
const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const norm = ({ features }: PlainToken): number => Math.hypot(...features);
const euclid = (a: PlainToken, b: PlainToken): number =>
  Math.hypot(...a.features.map((value, channel) => value - at(b.features, channel)));

/** What ToFu does in a block. */
export interface PlainTofu {
  readonly wanted: number;
  readonly prunes: boolean;
  readonly variant: string;
  readonly sizes: boolean;
}

export function tofuPlainly(
  tokens: readonly PlainToken[],
  { keys }: PlainAttention,
  { wanted, prunes, variant, sizes }: PlainTofu,
  prefix: number,
): PlainToken[] {
  const pairs = Math.min(wanted, Math.floor((tokens.length - prefix) / 2));
  if (pairs < 1) return [...tokens];
  const directions = tokens.map((_, index) => direction(keys, index));
  const patches = indices(tokens.length).slice(prefix);
  const [even, odd] = [0, 1].map((rest) => patches.filter((index) => index % 2 === rest)) as [number[], number[]];
  const partners = bestPartners(directions, even, odd);
  const ranked = descending(even, (index) => partners.get(index)?.similarity ?? 0);
  const sources = ranked.slice(0, pairs);
  const kept = (prefix === 0 ? ranked : even).filter((index) => !sources.includes(index));
  const staying = [...indices(prefix), ...kept, ...odd];
  if (prunes) return staying.map((index) => at(tokens, index));
  return staying.map((index) => {
    const destination = at(tokens, index);
    const joining = sources.filter((source) => partners.get(source)?.partner === index).map((own) => at(tokens, own));
    const mean = joined(destination, joining);
    const largest = Math.max(...[destination, ...joining].map(norm));
    const factor = largest / norm(variant === 'formula' ? mean : destination);
    return {
      ...mean,
      size: sizes ? mean.size : 1,
      features: mean.features.map((value) => value * factor),
    };
  });
}

/** Similarity of two clusters, from all pairs of their tokens. */
function linked(pairs: readonly number[], linkage: Linkage): number {
  if (linkage === 'average') return sum(pairs) / pairs.length;
  return linkage === 'complete' ? Math.min(...pairs) : Math.max(...pairs);
}

export function atcPlainly(
  tokens: readonly PlainToken[],
  { keys }: PlainAttention,
  count: number,
  linkage: Linkage,
  proportional: boolean,
  prefix: number,
): PlainToken[] {
  const directions = tokens.map((_, index) => direction(keys, index));
  const cosine = (a: number, b: number): number =>
    sum(at(directions, a).map((value, channel) => value * at(at(directions, b), channel)));
  let clusters = indices(tokens.length)
    .slice(prefix)
    .map((index) => [index]);
  while (clusters.length > count) {
    let best = { similarity: -Infinity, one: 0, other: 0 };
    clusters.forEach((own, one) =>
      clusters.forEach((their, other) => {
        if (other <= one) return;
        const similarity = linked(
          own.flatMap((a) => their.map((b) => cosine(a, b))),
          linkage,
        );
        if (similarity > best.similarity) best = { similarity, one, other };
      }),
    );
    const merged = [...at(clusters, best.one), ...at(clusters, best.other)];
    clusters = clusters.flatMap((own, index) => (index === best.one ? [merged] : index === best.other ? [] : [own]));
  }
  const left = clusters.map((members) => {
    const [first = 0, ...others] = members.sort((a, b) => a - b);
    return joined(
      at(tokens, first),
      others.map((index) => at(tokens, index)),
    );
  });
  const all = [...tokens.slice(0, prefix), ...left];
  return proportional ? all : all.map((token) => ({ ...token, size: 1 }));
}

/** Each token's nearest centre, the first of equals. */
const nearest = (token: PlainToken, centres: readonly PlainToken[]): number => {
  const distances = centres.map((centre) => euclid(token, centre));
  return distances.indexOf(Math.min(...distances));
};

export function kMedoidsPlainly(
  tokens: readonly PlainToken[],
  { map }: PlainAttention,
  count: number,
  iterations: number,
  prefix: number,
): PlainToken[] {
  const patches = tokens.slice(prefix);
  const weights = patches.map((_, patch) => sum(map.flatMap((head) => head.map((row) => at(row, patch + prefix)))));
  let medoids = descending(indices(patches.length), (index) => at(weights, index)).slice(0, count);
  for (let turn = 0; turn < iterations; turn++) {
    const centres = medoids.map((medoid) => at(patches, medoid));
    const owner = patches.map((patch) => nearest(patch, centres));
    medoids = medoids.map((_, cluster) => {
      let best = { position: 0, cost: Infinity };
      patches.forEach((patch, position) => {
        const cost = at(weights, position) * sum(patches.map((other) => euclid(patch, other)));
        if (at(owner, position) === cluster && cost < best.cost) best = { position, cost };
      });
      return best.position;
    });
  }
  return [...tokens.slice(0, prefix), ...medoids.map((medoid) => at(patches, medoid))];
}

export function dpcKnnPlainly(
  tokens: readonly PlainToken[],
  count: number,
  neighbours: number,
  prefix: number,
): PlainToken[] {
  const patches = tokens.slice(prefix);
  const width = at(patches, 0).features.length;
  const distances = patches.map((a) => patches.map((b) => euclid(a, b) / Math.sqrt(width)));
  const density = distances.map((row) => {
    const few = [...row].sort((a, b) => a - b).slice(0, neighbours);
    return Math.exp(-sum(few.map((value) => value * value)) / few.length);
  });
  const score = density.map((own, index) => {
    const denser = at(distances, index).filter((_, other) => at(density, other) > own);
    return own * (denser.length === 0 ? Math.max(...distances.flat()) : Math.min(...denser));
  });
  const centres = descending(indices(patches.length), (index) => at(score, index)).slice(0, count);
  const owner = patches.map((patch, index) =>
    centres.includes(index)
      ? centres.indexOf(index)
      : nearest(
          patch,
          centres.map((centre) => at(patches, centre)),
        ),
  );
  const left = centres.map((centre, cluster) => {
    const own = at(patches, centre);
    const others = patches.filter((_, index) => index !== centre && at(owner, index) === cluster);
    const mean = joined(own, others);
    const total = others.length + 1;
    return { ...mean, size: 1, features: mean.features.map((value) => (value * total) / (total + 1e-6)) };
  });
  return [...tokens.slice(0, prefix), ...left];
}
