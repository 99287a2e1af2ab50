/**
 * How a family of networks is found in configuration files, and how what they declare meets a
 * checkpoint.
 */
import type { JsonObject } from '../checkpoints/json-object.ts';
import type { Weights } from '../checkpoints/weights.ts';
import type { Network } from './network.ts';

/** A network that a name or a file declares, before it has met its checkpoint. */
export interface DeclaredNetwork {
  /** As declared. */
  readonly network: Network;
  /**
   * The network that the checkpoint really holds: only the number of classes may differ.
   * @param weights with canonical names.
   * @param source the checkpoint, and `declaredBy` the name or file, for error sentences.
   * @throws {DiffrateError} that names both sides where they differ in anything else.
   */
  fit(weights: Weights, source: string, declaredBy: string): FittedNetwork;
}

/** A network and the weights that it reads. */
export interface FittedNetwork {
  readonly network: Network;
  readonly weights: Weights;
  readonly warnings: readonly string[];
}

/** A configuration file, and where it comes from, for error sentences. */
export interface ConfigurationFile {
  readonly json: JsonObject;
  /** Path of the file. */
  readonly file: string;
  /** The checkpoint beside it, with canonical names, and its path. */
  readonly weights: Weights;
  readonly checkpoint: string;
}

/** A family: a folder beside this file. */
export interface NetworkFamily {
  /** In a few words, for error sentences: `ViT, DeiT or MAE`. */
  readonly title: string;
  /**
   * The network of a Hugging Face `config.json`; `undefined` where its `model_type` is not this
   * family's.
   * @throws {DiffrateError} where a member is missing or asks for something unsupported.
   */
  fromHuggingFace?(configuration: ConfigurationFile): DeclaredNetwork | undefined;
  /**
   * The network of a timm `config.json`; `undefined` where its `architecture` is not this family's.
   * @throws {DiffrateError} where a member is missing or asks for something unsupported.
   */
  fromTimm?(configuration: ConfigurationFile): DeclaredNetwork | undefined;
}
