/**
 * Images of a training with their labels. A network that is trained on has classes; one that starts
 * from scratch gets those of its images, and is evaluated by the same ones.
 */
import { labelsFromScratch, resolveLabels } from '../data/labels/resolve-labels.ts';
import { imagesFor, networkClasses } from '../networks/model.ts';
import type { TrainingOptions } from './training-options.ts';

/** What labels depend on. */
type Labelled = Pick<TrainingOptions, 'network' | 'start' | 'images' | 'evaluation' | 'strict' | 'onWarning'> & {
  /** Names that somebody gave the classes of a network that starts from scratch. */
  readonly names?: readonly string[] | undefined;
};

/**
 * Images to train on and to evaluate on, with labels that count the same classes.
 * @throws {DiffrateError} where classes do not fit the network; see `resolveLabels`.
 */
export function labelledForTraining(options: Labelled): Pick<TrainingOptions, 'images' | 'evaluation'> {
  const { network, start, names } = options;
  if (start !== undefined) {
    return {
      images: imagesFor(start, options.images, options),
      evaluation: options.evaluation && imagesFor(start, options.evaluation, options),
    };
  }
  const { count } = networkClasses({ network });
  const images = labelsFromScratch(options.images, { count, names: names && { ...names } });
  const trained = images.classes ?? names;
  const evaluation =
    options.evaluation && resolveLabels(options.evaluation, { count, names: trained && { ...trained } }, options);
  return { images, evaluation };
}
