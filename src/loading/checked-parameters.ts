/**
 * Whether a checkpoint has what a network reads, and nothing that would change what it computes:
 * checked whole when it is loaded, not tensor by tensor when a graph is built. What the network
 * reads is recorded by building it.
 */
import type { Weights } from '../checkpoints/weights.ts';
import { DiffrateError } from '../errors.ts';
import { elementCount } from '../graph/tensor.ts';
import type { Network } from '../networks/network.ts';
import { networkParameters } from '../networks/recorded-parameters.ts';
import type { Parameters } from '../nn/parameters.ts';
import { learnedPrefix } from '../reduction/methods/learned.ts';

/** Normalisations that a pooling does not read, and what training leaves in a checkpoint. */
const ignorable = /^(?:norm|fc_norm)\.(?:weight|bias)$|num_batches_tracked$|relative_position_index$/;

/**
 * A parameter that changes what a network computes: more inside a block, a norm before them,
 * register tokens, a hidden head.
 */
const structural = /(?:^|\.)(?:blocks|layers?)\.\d+\.|^norm_pre\.|^reg_token$|register_tokens$|^pre_logits\./;

/** What a check of a checkpoint's parameters found. */
export interface CheckedParameters {
  /** Number of values that the network reads. */
  readonly count: number;
  readonly warnings: readonly string[];
}

/**
 * Reads every parameter once, so that a missing or misshapen one is found here. Those of methods
 * are theirs to check.
 * @param source the checkpoint, for error sentences.
 * @throws {DiffrateError} where a parameter is missing or has another shape, or the checkpoint
 *   holds parameters of an architecture that is not a plain ViT.
 */
export function checkParameters(
  network: Network,
  parameters: Parameters,
  weights: Weights,
  source: string,
): CheckedParameters {
  const read = networkParameters(network, parameters.has);
  const names = new Set(read.map(({ name }) => name));
  const unknown = [...weights.keys()].filter(
    (name) => !names.has(name) && !ignorable.test(name) && !name.startsWith(learnedPrefix),
  );
  const foreign = unknown.find((name) => structural.test(name));
  if (foreign !== undefined) {
    throw new DiffrateError(
      `${source} holds the tensor "${foreign}", which the network of ${network.blocks} blocks does not read: use a checkpoint of that network without additions.`,
    );
  }
  let count = 0;
  for (const { name, shape } of read) {
    parameters.tensor(name, shape);
    count += elementCount(shape);
  }
  if (unknown.length === 0) return { count, warnings: [] };
  const some = unknown
    .slice(0, 3)
    .map((name) => `"${name}"`)
    .join(', ');
  const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : '';
  return {
    count,
    warnings: [`${source} holds tensors that the network does not read and that were left out: ${some}${more}.`],
  };
}
