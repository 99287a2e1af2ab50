/**
 * Whether a checkpoint has what a network reads, and nothing that would change what it computes:
 * checked whole when it is loaded, not tensor by tensor when a graph is built. What the network
 * reads is recorded by building it.
 */
import { float32Values } from '../checkpoints/weights.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { DiffrateError, quoted } from '../errors.ts';
import { constantFloats, elementCount, formatShape } from '../graph/tensor.ts';
import type { Network } from '../networks/network.ts';
import { isShapeOf } from '../networks/parameters.ts';
import { networkParameters, recordParameters } from '../networks/recorded-parameters.ts';
import type { RecordedParameter } from '../networks/recorded-parameters.ts';
import type { Parameters } from '../nn/parameters.ts';
import { learnedPrefix } from '../reduction/methods/learned.ts';

/** Normalisations that a pooling does not read, and what training leaves in a checkpoint. */
const ignorable = /^(?:norm|fc_norm)\.(?:weight|bias)$|num_batches_tracked$|relative_position_index$/;

/**
 * A parameter that changes what a network computes: more inside a block, the patch embedding or a
 * norm, a norm before the blocks, register tokens, a pooling by attention, a hidden head.
 */
const structural = new RegExp(
  [
    /(?:^|\.)(?:blocks|layers?)\.\d+\./,
    /^(?:patch_embed|embeddings\.patch_embeddings|norm_pre|norm|fc_norm|attn_pool|pre_logits)\./,
    /^reg_token$|register_tokens$/,
  ]
    .map(({ source }) => source)
    .join('|'),
);

/** What a check of a checkpoint's parameters found. */
export interface CheckedParameters {
  /** Number of values that the network reads. */
  readonly count: number;
  /** What the network reads. */
  readonly read: readonly RecordedParameter[];
  readonly warnings: readonly string[];
}

/** What is known of a checkpoint beside its weights. */
export interface CheckOptions {
  /**
   * Whether queries, keys and values may have no biases, as `qkv_bias: false` says; default no.
   * All other biases are there in any case.
   */
  readonly withoutQkvBias?: boolean | undefined;
  /** Names of tensors beside the weights, which were left out. */
  readonly outside?: readonly string[] | undefined;
}

/**
 * Checks names and shapes; values are not looked at. Those of methods are theirs to check.
 * @param source the checkpoint, for error sentences.
 * @throws {DiffrateError} where parameters are missing or have other shapes, or the checkpoint
 *   holds parameters of an architecture that is not a plain ViT.
 */
export function checkParameters(
  network: Network,
  weights: Weights,
  source: string,
  { withoutQkvBias = false, outside = [] }: CheckOptions = {},
): CheckedParameters {
  const { recorded: read, absent } = recordParameters(network, (name) => weights.has(name));
  const names = new Set(read.map(({ name }) => name));
  const unknown = [...weights.keys()].filter(
    (name) => !names.has(name) && !ignorable.test(name) && !name.startsWith(learnedPrefix),
  );
  const foreign = unknown.filter((name) => structural.test(name));
  if (foreign.length > 0) {
    throw new DiffrateError(
      `${source} holds ${foreign.length === 1 ? 'the tensor' : `${foreign.length} tensors`} ${listed(foreign.map(quoted))}, which the network of ${network.blocks} blocks does not read: use a checkpoint of that network without additions.`,
    );
  }
  checkPresence(network, read, absent, weights, source, withoutQkvBias);
  checkShapes(read, weights, source);
  const count = read.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const left = [...unknown, ...outside.filter((name) => !ignorable.test(name))];
  if (left.length === 0) return { count, read, warnings: [] };
  return {
    count,
    read,
    warnings: [
      `${source} holds tensors that the network does not read and that were left out: ${listed(left.map(quoted))}.`,
    ],
  };
}

/**
 * Nothing is missing. A network runs without a bias, but the libraries' networks have all of them,
 * except where a configuration says so of queries, keys and values; a missing one is no zero.
 */
function checkPresence(
  network: Network,
  read: readonly RecordedParameter[],
  absent: readonly string[],
  weights: Weights,
  source: string,
  withoutQkvBias: boolean,
): void {
  const missing = read.filter(({ name }) => !weights.has(name));
  const kinds = new Set(read.map(({ name }) => kindOf(name)));
  const others = new Set(absent.filter((name) => kinds.has(kindOf(name))));
  const isNeeded = (name: string): boolean => name.endsWith('.bias') && !(withoutQkvBias && isQkvBias(name));
  const unkept = new Set(absent.filter((name) => !others.has(name) && isNeeded(name)));
  if (missing.length + others.size + unkept.size === 0) return;
  // Only a network that has them all says which shapes they have.
  const whole = networkParameters(network);
  const elsewhere = whole.filter(({ name }) => others.has(name));
  const unkeptOnes = whole.filter(({ name }) => unkept.has(name));
  const all = [...missing, ...elsewhere, ...unkeptOnes];
  const reason =
    missing.length > 0
      ? ''
      : elsewhere.length > 0
        ? ', though other blocks have theirs'
        : unkeptOnes.every(({ name }) => isQkvBias(name))
          ? ', and no configuration says that "qkv_bias" is false'
          : '';
  const tensors = listed(all.map(({ name, shape }) => `${quoted(name)} (${formatShape(shape)})`));
  const what = all.length === 1 ? `has no tensor ${tensors}` : `lacks ${all.length} tensors: ${tensors}`;
  throw new DiffrateError(`${source} ${what}${reason}; it is not a whole checkpoint of this model.`);
}

const isQkvBias = (name: string): boolean => name.endsWith('.qkv.bias');

/** A name without the number of its block. */
const kindOf = (name: string): string => name.replaceAll(/\d+/g, '*');

function checkShapes(read: readonly RecordedParameter[], weights: Weights, source: string): void {
  const other = read.flatMap(({ name, shape }) => {
    const found = weights.get(name)?.shape ?? shape;
    return isShapeOf(found, shape)
      ? []
      : [`${quoted(name)} is ${formatShape(found)} where the model needs ${formatShape(shape)}`];
  });
  if (other.length === 0) return;
  const what = other.length === 1 ? 'the tensor' : `${other.length} tensors have other shapes:`;
  throw new DiffrateError(`${source}: ${what} ${listed(other)}; name the model that the checkpoint belongs to.`);
}

/**
 * Checks values: each that the network or a method reads is a number.
 * @param read what the network reads.
 * @param parameters made of the weights, which keep what they convert.
 * @throws {DiffrateError} that names the tensor and the place of what is none.
 */
export function checkValues(
  read: readonly RecordedParameter[],
  parameters: Parameters,
  weights: Weights,
  source: string,
): void {
  const check = (name: string, shape: readonly number[], values: Float32Array): void => {
    const at = firstNotFinite(values);
    if (at === undefined) return;
    const value = Number.isNaN(values[at]) ? 'NaN' : 'infinite';
    throw new DiffrateError(
      `${source}: the tensor ${quoted(name)} is ${value} at ${formatShape(placeOf(at, shape))}, so the network has no answers: use a checkpoint from before training failed, or download it again.`,
    );
  };
  for (const { name, shape } of read) {
    const values = constantFloats(parameters.tensor(name, shape));
    if (values !== undefined) check(name, shape, values);
  }
  for (const [name, tensor] of weights) {
    if (name.startsWith(learnedPrefix)) check(name, tensor.shape, float32Values(tensor));
  }
}

/** Infinity and NaN have all bits of the exponent. */
function firstNotFinite(values: Float32Array): number | undefined {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let index = 0; index < bits.length; index++) {
    if ((bits[index]! & 0x7f800000) === 0x7f800000) return index;
  }
  return undefined;
}

/** Index per axis of an element. */
function placeOf(index: number, shape: readonly number[]): number[] {
  let rest = index;
  return shape
    .toReversed()
    .map((size) => {
      const place = rest % size;
      rest = Math.floor(rest / size);
      return place;
    })
    .toReversed();
}

/** The first three, and how many more there are. */
function listed(items: readonly string[]): string {
  return `${items.slice(0, 3).join(', ')}${items.length > 3 ? ` and ${items.length - 3} more` : ''}`;
}
