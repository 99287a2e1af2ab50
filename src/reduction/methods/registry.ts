/**
 * Every token-reduction method by name. A new method is a file beside this one and an entry here.
 */
import { DiffrateError } from '../../errors.ts';
import { nameOf } from '../network-shape.ts';
import type { NetworkShape } from '../network-shape.ts';
import { atcMethod } from './atc.ts';
import { atsMethod } from './ats.ts';
import { dpcKnnMethod } from './dpcknn.ts';
import { dtemMethod } from './dtem.ts';
import { dynamicVitMethod } from './dynamicvit.ts';
import { evitMethod } from './evit.ts';
import { evoVitMethod } from './evovit.ts';
import { gtpMethod } from './gtp.ts';
import { kMedoidsMethod } from './kmedoids.ts';
import { ltmpMethod } from './ltmp.ts';
import { mctfMethod } from './mctf.ts';
import type { BuiltMethod, MethodResources, Parameters, ParameterKey, ReductionMethod } from './method.ts';
import { formatMethod, parseMethodText } from './method-text.ts';
import type { MethodText } from './method-text.ts';
import { pitomeMethod } from './pitome.ts';
import { pptMethod } from './ppt.ts';
import { constantMethod, diffrateMethod, randomMethod, uniformMethod } from './scheduled.ts';
import { spvitMethod } from './spvit.ts';
import { tofuMethod } from './tofu.ts';
import { tomeMethod } from './tome.ts';
import { transformingMethod } from './transforming.ts';

/** The methods, DiffRate and its schedules first. */
export const reductionMethods: readonly ReductionMethod[] = [
  diffrateMethod,
  uniformMethod,
  constantMethod,
  randomMethod,
  evitMethod,
  tomeMethod,
  pptMethod,
  pitomeMethod,
  gtpMethod,
  mctfMethod,
  tofuMethod,
  kMedoidsMethod,
  dpcKnnMethod,
  atcMethod,
  transformingMethod,
  atsMethod,
  dynamicVitMethod,
  evoVitMethod,
  spvitMethod,
  ltmpMethod,
  dtemMethod,
];

/** A method with its parameters for one network, and what to call it. */
export interface NamedMethod extends BuiltMethod {
  readonly method: ReductionMethod;
  /** As it was asked for: `tome:r=13`. */
  readonly name: string;
}

/**
 * Reads `name:key=value,…`.
 * @throws {UsageError} naming what is known, where the method, a key or a value is not
 */
export function parseMethod(text: string): MethodText {
  return parseMethodText(text, reductionMethods);
}

/**
 * The reducer of a method for a network.
 * @throws {DiffrateError} where the network cannot do what is asked
 */
export function buildMethod(
  { method, given }: MethodText,
  network: NetworkShape,
  resources: MethodResources = {},
): NamedMethod {
  const name = formatMethod({ method, given });
  requireFitting(method, network);
  const built = method.build(parametersOf(method.keys, { method, given }, network), network, resources);
  return { ...built, reducer: { ...built.reducer, name }, method, name };
}

/** Whether a network has what a method ranks by, and can do without what it removes. */
function requireFitting(method: ReductionMethod, network: NetworkShape): void {
  const { layout, importanceFrom, mergeOnly } = network;
  if (method.needsClassToken && !(layout.prefix > 0 && importanceFrom === 'class-token')) {
    throw new DiffrateError(
      `${method.name} needs a class token, which ${nameOf(network)} does not have: ` +
        `use a network that has one, or a method that needs none (${namesWhere((other) => !other.needsClassToken)}).`,
    );
  }
  if (mergeOnly && method.mergesOnly !== true) {
    throw new DiffrateError(
      `${method.name} drops tokens, but ${nameOf(network)} needs all of them again after its last block: ` +
        `use a method that merges them (${namesWhere((other) => other.mergesOnly === true)}).`,
    );
  }
}

const namesWhere = (fits: (method: ReductionMethod) => boolean): string =>
  reductionMethods
    .filter(fits)
    .map(({ name }) => name)
    .join(', ');

function parametersOf(keys: readonly ParameterKey[], { given }: MethodText, network: NetworkShape): Parameters {
  const value = (name: string): unknown => {
    const key = keys.find((candidate) => candidate.name === name);
    if (key === undefined) throw new RangeError(`there is no parameter ${name}`);
    const { fallback } = key;
    return given.get(name) ?? (typeof fallback === 'function' ? fallback(network) : fallback);
  };
  return {
    number: (name) => Number(value(name)),
    flag: (name) => value(name) === true,
    text: (name) => String(value(name)),
    numbers: (name) => value(name) as readonly number[],
  };
}
