/**
 * What can be told of a correction before its schedule is known: a search that takes long should
 * not end with it.
 */
import { imageDigests } from '../data/different-images.ts';
import { shuffledSample } from '../data/image-sample.ts';
import type { ImageSource, SourceImage } from '../data/image-source.ts';
import { openImages } from '../data/open-images.ts';
import type { ImageInput } from '../data/open-images.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import type { CorrectionOptions } from './correction-options.ts';

/** One image of so many is held out. */
const share = 5;

/** With fewer different images nothing can be told of others. */
const fewest = 10;

/** The numbers among the options. */
export type CorrectionSettings = Readonly<Record<'steps' | 'batchSize' | 'learningRate' | 'seed', number>>;

/**
 * Numbers of the options, defaults for those that are left out.
 * @throws {UsageError} where one is out of range.
 */
export function correctionSettings(options: CorrectionOptions): CorrectionSettings {
  const { steps = 400, batchSize = 16, learningRate = 3e-4, seed = 0 } = options;
  for (const [name, value, least] of [
    ['steps', steps, 1],
    ['batchSize', batchSize, 1],
    ['seed', seed, 0],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new UsageError(`The correction's ${name} must be a whole number from ${least}, not ${String(value)}.`);
  }
  if (!(learningRate > 0 && Number.isFinite(learningRate)))
    throw new UsageError(`The correction's learningRate must be a number above 0, not ${String(learningRate)}.`);
  return { steps, batchSize, learningRate, seed };
}

/** Images to train on, and those that are held out. */
export interface DividedImages {
  readonly training: ImageSource;
  readonly heldOut: ImageSource;
}

/**
 * Divides images at random, by seed. Copies of an image are on one side.
 * @throws {DiffrateError} where there are too few different ones.
 */
export async function divideImages(source: ImageSource, seed: number): Promise<DividedImages> {
  const digests = await imageDigests(source);
  const keyOf = ({ file }: SourceImage): string => digests?.get(file) ?? file;
  const keys = [...new Set(shuffledSample(source.images, source.images.length, seed, 'held out').map(keyOf))];
  if (keys.length < fewest) {
    throw new DiffrateError(
      `'${source.name}' has ${keys.length} different image${keys.length === 1 ? '' : 's'}, and a correction needs at least ${fewest}: give some hundred.`,
    );
  }
  const held = new Set(keys.slice(0, Math.floor(keys.length / share)));
  const isHeld = (image: SourceImage): boolean => held.has(keyOf(image));
  return {
    training: { ...source, images: source.images.filter((image) => !isHeld(image)) },
    heldOut: { ...source, images: source.images.filter(isHeld) },
  };
}

/**
 * Checks that a correction could be trained; nothing is run.
 * @throws {DiffrateError} for options out of range, images that are too few, and progress that
 *   nobody said what to do with.
 */
export async function checkCorrection(images: ImageInput, options: CorrectionOptions): Promise<void> {
  const { strict, onWarning, progress, resume } = options;
  const { seed } = correctionSettings(options);
  await divideImages(await openImages(images, { strict, onWarning }), seed);
  if (progress === undefined || resume !== undefined || (await progress.read()) === undefined) return;
  throw new DiffrateError(
    `'${progress.name}' holds progress of a correction: continue it with \`resume: true\`, or begin anew with \`resume: false\`.`,
  );
}
