/**
 * What a checkpoint holds before anybody has chosen from it: tensors by full name, type and shape.
 * Values are read for those that are chosen, so an optimizer's state costs nothing.
 */
import type { WeightTensor, WeightType, Weights } from './weights.ts';

/** A tensor of a checkpoint. */
export interface StoredTensor {
  /**
   * Keys of the dictionaries around it and its own name, joined with dots:
   * `state_dict.model.pos_embed`.
   */
  readonly name: string;
  /** The part of `name` that is keys of dictionaries: `state_dict.`; empty at the top. */
  readonly dictionary: string;
  readonly type: WeightType;
  readonly shape: readonly number[];
  /** The Python object that its values need; such a tensor cannot be read. */
  readonly needs?: string | undefined;
}

/** An opened checkpoint. */
export interface StoredCheckpoint {
  readonly tensors: readonly StoredTensor[];
  /** The class of the `torch.nn.Module` that was saved whole, with code of its own. */
  readonly wholeModule?: string | undefined;
  /**
   * Values of some of its tensors, by full name.
   * @throws {DiffrateError} where the data is missing or damaged.
   */
  load(tensors: readonly StoredTensor[]): Promise<Weights>;
}

/** Weights in memory as a checkpoint of one dictionary. */
export function storedTensors(weights: Weights): StoredTensor[] {
  return Array.from(weights, ([name, { type, shape }]) => ({ name, dictionary: '', type, shape }));
}

/** A tensor of which only name, type and shape are known. */
export function withoutValues({ name, type, shape }: StoredTensor): WeightTensor {
  return { name, type, shape, bytes: new Uint8Array(0) };
}
