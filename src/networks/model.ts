/**
 * A network with its weights and the images that it reads: what is searched, evaluated, timed and
 * exported.
 */
import type { ImageSource } from '../data/image-source.ts';
import type { NetworkClasses } from '../data/labels/network-classes.ts';
import { resolveLabels } from '../data/labels/resolve-labels.ts';
import type { ResolveOptions } from '../data/labels/resolve-labels.ts';
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
  /** Class names by class number, where somebody named the classes. */
  readonly labels?: Readonly<Record<number, string>> | undefined;
  /** Other names of classes, which folders and tables may bear as well (WordNet's `n01440764`). */
  readonly otherNames?: Readonly<Record<number, string>> | undefined;
}

/** What says the classes of a model. */
type WithClasses = Pick<Model, 'network' | 'labels' | 'otherNames'>;

/** The classes that labels of a model's images count; none where it answers no classes. */
export function networkClasses({ network, labels, otherNames }: WithClasses): NetworkClasses {
  const { kind, size } = network.answers;
  const count = kind === 'classes' && size > 1 ? size : 0;
  return { count, names: labels, otherNames, manyLabels: kind === 'labels' };
}

/**
 * Images with the labels that a model knows them by; see `resolveLabels`.
 * @throws {DiffrateError} as that does.
 */
export function imagesFor(model: WithClasses, images: ImageSource, options: ResolveOptions): ImageSource {
  return resolveLabels(images, networkClasses(model), options);
}

/** The shape of a network with the names that schedules may call it by. */
export function namedShape<Shape extends NetworkShape>(network: Shape, model: string): Shape {
  return { ...network, model, aliases: aliasesOf(model) };
}
