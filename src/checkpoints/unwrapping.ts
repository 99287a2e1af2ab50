/**
 * Where in a checkpoint the weights of a network may lie. A dictionary in a dictionary and a prefix
 * of names are one and the same here: names that begin with `state_dict.` or with `visual.trunk.`.
 * No list of prefixes is asked: a prefix is what stands before names that a naming knows.
 */
import { HEADS, namings, type Destination, type Naming } from './naming.ts';
import type { StoredTensor } from './stored-checkpoint.ts';

/** Tensors behind one prefix, read by one naming. */
export interface Candidate {
  /** `state_dict.model.`, or nothing. */
  readonly prefix: string;
  readonly naming: Naming;
  /** Tensors whose names are known, with what becomes of them. */
  readonly members: readonly Member[];
  /** Tensors behind the prefix that the naming does not know, by their names behind it. */
  readonly unknown: readonly Member[];
  /** Full names of tensors in the same dictionaries that do not stand behind the prefix. */
  readonly outside: readonly string[];
}

/** A tensor of a candidate. */
export interface Member {
  readonly tensor: StoredTensor;
  readonly destination: Destination;
}

/** Names of parameters are far shorter; longer ones are not looked into. */
const LONGEST_NAME = 500;

/** Candidates that know less than this part of what the best one knows are none. */
const LEAST_SHARE = 1 / 3;

/** More candidates than this are no checkpoint of anybody. */
const MOST_CANDIDATES = 16;

/**
 * Every place where weights may lie, those of which most names are known first, in the file's order
 * otherwise. Where no name is known, all tensors of the largest dictionary are the only candidate.
 * @param own names of the network's parameters, as far as they are known.
 */
export function findCandidates(tensors: readonly StoredTensor[], own: ReadonlySet<string>): Candidate[] {
  const known = namings(own);
  const votes = countKnown(tensors, known);
  const ranked = [...votes].flatMap(([prefix, counts]) => {
    const most = Math.max(...counts);
    const naming = known[counts.indexOf(most)];
    return naming === undefined ? [] : [{ prefix, naming, most }];
  });
  ranked.sort((a, b) => b.most - a.most);
  const [best] = ranked;
  if (best === undefined) {
    const [naming] = known;
    return naming === undefined || tensors.length === 0
      ? []
      : [candidateAt(tensors, largestDictionary(tensors), naming)];
  }
  const found = ranked
    .filter(({ most }) => most >= best.most * LEAST_SHARE)
    .slice(0, MOST_CANDIDATES)
    .map(({ prefix, naming }) => candidateAt(tensors, prefix, naming));
  const whole = found.filter((one) => !found.some((other) => isPartOf(one, other)));
  return whole.map((one) => withoutOthers(one, whole));
}

/** What belongs to another candidate is no rest of this one. */
function withoutOthers(candidate: Candidate, all: readonly Candidate[]): Candidate {
  const theirs = new Set(
    all.flatMap((other) => (other === candidate ? [] : other.members.map(({ tensor }) => tensor.name))),
  );
  return {
    ...candidate,
    unknown: candidate.unknown.filter(({ tensor }) => !theirs.has(tensor.name)),
    outside: candidate.outside.filter((name) => !theirs.has(name)),
  };
}

/** `encoder.` alone knows most of what the prefix before it knows, too. */
function isPartOf(one: Candidate, other: Candidate): boolean {
  if (one === other || !one.prefix.startsWith(other.prefix) || one.members.length >= other.members.length) return false;
  const all = new Set(other.members.map(({ tensor }) => tensor));
  return one.members.every(({ tensor }) => all.has(tensor));
}

/** For each prefix and naming, how many names behind the prefix the naming knows. */
function countKnown(tensors: readonly StoredTensor[], known: readonly Naming[]): Map<string, number[]> {
  const votes = new Map<string, number[]>();
  for (const { name } of tensors) {
    if (name.length > LONGEST_NAME) continue;
    for (const start of startsOf(name)) {
      const rest = name.slice(start);
      for (const [index, naming] of known.entries()) {
        const kind = naming.destination(rest)?.kind;
        if (kind === undefined || kind === 'unused') continue;
        const prefix = name.slice(0, start);
        const counts = votes.get(prefix) ?? known.map(() => 0);
        counts[index] = (counts[index] ?? 0) + 1;
        votes.set(prefix, counts);
      }
    }
  }
  return votes;
}

/** Positions at which a name begins behind a prefix. */
function* startsOf(name: string): Generator<number> {
  yield 0;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) yield dot + 1;
}

function largestDictionary(tensors: readonly StoredTensor[]): string {
  const counts = new Map<string, number>();
  for (const { dictionary } of tensors) counts.set(dictionary, (counts.get(dictionary) ?? 0) + 1);
  const [largest] = [...counts].sort(([, a], [, b]) => b - a);
  return largest?.[0] ?? '';
}

/** The candidate behind a prefix. */
function candidateAt(tensors: readonly StoredTensor[], prefix: string, naming: Naming): Candidate {
  const members = tensors.flatMap((tensor): Member[] => {
    if (!tensor.name.startsWith(prefix)) return [];
    const destination = naming.destination(tensor.name.slice(prefix.length));
    return destination === undefined ? [] : [{ tensor, destination }];
  });
  members.push(...membersBefore(tensors, prefix, members));
  const taken = new Set(members.map(({ tensor }) => tensor));
  const dictionaries = new Set(members.map(({ tensor }) => tensor.dictionary));
  if (dictionaries.size === 0) dictionaries.add(prefix);
  const unknown: Member[] = [];
  const outside: string[] = [];
  const before = [...startsOf(prefix)].map((start) => prefix.slice(0, start));
  for (const tensor of tensors) {
    if (taken.has(tensor) || !dictionaries.has(tensor.dictionary)) continue;
    if (tensor.name.startsWith(prefix)) {
      unknown.push({ tensor, destination: { kind: 'renamed', name: tensor.name.slice(prefix.length) } });
      continue;
    }
    const isUnused = before.some(
      (start) =>
        tensor.name.startsWith(start) && naming.destination(tensor.name.slice(start.length))?.kind === 'unused',
    );
    if (!isUnused) outside.push(tensor.name);
  }
  return { prefix, naming, members, unknown, outside };
}

/**
 * What belongs to a network and stands before its prefix: the classifier or pooler, under any
 * naming's name and the nearest one, and a method's own parameters.
 */
function membersBefore(tensors: readonly StoredTensor[], prefix: string, members: readonly Member[]): Member[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const places = [...startsOf(prefix)].map((start) => prefix.slice(0, start)).reverse();
  const names = new Set(members.flatMap(({ destination: it }) => (it.kind === 'renamed' ? [it.name] : [])));
  const found: Member[] = [];
  for (const target of new Set(HEADS.map(([, name]) => name))) {
    if (names.has(`${target}.weight`) || names.has(`${target}.bias`)) continue;
    const layer = places
      .flatMap((place) => HEADS.filter(([, name]) => name === target).map(([stored]) => place + stored))
      .find((stored) => isLayer(byName.get(`${stored}.weight`) ?? byName.get(`${stored}.bias`)));
    for (const part of layer === undefined ? [] : ['weight', 'bias']) {
      const tensor = byName.get(`${layer}.${part}`);
      if (tensor !== undefined) found.push({ tensor, destination: { kind: 'renamed', name: `${target}.${part}` } });
    }
  }
  const learned = places.map((place) => `${place}reduction.`);
  const known = new Set(members.map(({ tensor }) => tensor));
  for (const tensor of tensors) {
    if (known.has(tensor)) continue;
    const place = learned.find((start) => tensor.name.startsWith(start));
    if (place === undefined) continue;
    const name = tensor.name.slice(place.length - 'reduction.'.length);
    found.push({ tensor, destination: { kind: 'renamed', name } });
  }
  return found;
}

/** Whether there is a tensor that may be of a linear layer, and is of no convolution. */
function isLayer(tensor: StoredTensor | undefined): boolean {
  return tensor !== undefined && tensor.shape.length <= 2;
}
