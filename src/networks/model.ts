/**
 * A network with its weights and the images that it reads: what is searched, evaluated, timed and
 * exported.
 */
import type { Preprocessing } from '../data/preprocessing.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { NetworkShape } from '../reduction/network-shape.ts';
import type { Network } from './network.ts';
import { aliasesOf } from './registry.ts';

/** A network with its weights; every loaded model is one. */
export interface Model {
  /** Registry name, hub id or the folder's name. */
  readonly name: string;
  readonly network: Network;
  readonly parameters: Parameters;
  /** How an image becomes its input. */
  readonly preprocessing: Preprocessing;
}

/** The shape of a network with the names that schedules may call it by. */
export function namedShape<Shape extends NetworkShape>(network: Shape, model: string): Shape {
  return { ...network, model, aliases: aliasesOf(model) };
}
