/**
 * Configuration files of trainings from scratch: a network and a recipe as JSON.
 * Members of the recipe override those of a named preset, whose default is `scratch`.
 */
import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { square } from '../data/preprocessing.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { blockCount, positiveInteger } from '../checkpoints/configuration-check.ts';
import { DiffrateError, messageOf, quoted, shortened } from '../errors.ts';
import type { Network } from '../networks/network.ts';
import { usualVisionTransformer } from '../networks/vision-transformer/configuration.ts';
import { visionTransformer } from '../networks/vision-transformer/vision-transformer.ts';
import { initializations } from './initialization.ts';
import { recipes } from './recipe.ts';
import type { TrainingRecipe } from './recipe.ts';

/** A network to train and how to. */
export interface TrainingConfiguration {
  readonly name: string;
  readonly network: Network;
  /** How an image becomes its input. */
  readonly preprocessing: Preprocessing;
  /** Class names, one per class; `undefined` where nobody named them. */
  readonly labels: readonly string[] | undefined;
  readonly recipe: TrainingRecipe;
}

const notNegative = v.pipe(v.number(), v.finite('finite'), v.minValue(0, 'at least 0'));
const positive = v.pipe(v.number(), v.finite('finite'), v.gtValue(0, 'above 0'));
const share = v.pipe(v.number(), v.minValue(0, 'at least 0'), v.ltValue(1, 'below 1'));
const probability = v.pipe(v.number(), v.minValue(0, 'at least 0'), v.maxValue(1, 'at most 1'));
const perChannel = v.strictTuple([v.number(), v.number(), v.number()]);
const range = v.strictTuple([positive, positive]);

const networkSchema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1, 'not empty')),
  imageSize: positiveInteger,
  patchSize: positiveInteger,
  width: positiveInteger,
  depth: blockCount,
  heads: positiveInteger,
  hiddenWidth: v.optional(positiveInteger),
  classes: positiveInteger,
  pool: v.optional(v.picklist(['class-token', 'mean']), 'class-token'),
  resizeShortSide: v.optional(positiveInteger),
  interpolation: v.optional(v.picklist(['bicubic', 'bilinear']), 'bicubic'),
  mean: v.optional(perChannel, [0.485, 0.456, 0.406]),
  std: v.optional(v.strictTuple([positive, positive, positive]), [0.229, 0.224, 0.225]),
  labels: v.optional(v.array(v.string())),
});

const augmentationSchema = v.strictObject({
  randomResizedCrop: v.optional(v.strictObject({ scale: v.optional(range), ratio: v.optional(range) })),
  cropPadding: v.optional(positiveInteger),
  horizontalFlip: v.optional(probability),
  randAugment: v.optional(v.strictObject({ magnitude: notNegative, deviation: v.optional(notNegative, 0.5) })),
  randomErasing: v.optional(probability),
});

const recipeSchema = v.strictObject({
  preset: v.optional(v.picklist(['scratch', 'finetune', 'finetune-small-data']), 'scratch'),
  initialization: v.optional(v.picklist(initializations)),
  sinusoidalPositions: v.optional(v.strictObject({ temperature: v.optional(positive, 10_000) })),
  batchSize: v.optional(positiveInteger),
  microBatchSize: v.optional(positiveInteger),
  epochs: v.optional(positive),
  steps: v.optional(positiveInteger),
  learningRate: v.optional(positive),
  finalLearningRate: v.optional(notNegative),
  warmUpEpochs: v.optional(notNegative),
  weightDecay: v.optional(notNegative),
  dropPath: v.optional(share),
  patchDropout: v.optional(
    v.union([share, v.array(v.strictObject({ rate: share, until: v.pipe(positive, v.maxValue(1, 'at most 1')) }))]),
  ),
  evaluationEpochs: v.optional(positiveInteger),
  clipNorm: v.optional(notNegative),
  averageDecay: v.optional(share),
  targets: v.optional(v.picklist(['labels', 'teacher'])),
  labelSmoothing: v.optional(share),
  mixing: v.optional(
    v.strictObject({
      mixup: notNegative,
      cutmix: notNegative,
      probability: v.optional(probability),
      switchProbability: v.optional(probability),
    }),
  ),
  augmentation: v.optional(augmentationSchema),
  repeatedAugmentation: v.optional(positiveInteger),
});

const schema = v.strictObject({ model: networkSchema, recipe: v.optional(recipeSchema, {}) });

/**
 * Reads a configuration file.
 * @throws {DiffrateError} if it cannot be read, is no JSON, or a member is missing, unknown or out
 *   of range, naming it.
 */
export async function readTrainingConfiguration(path: string): Promise<TrainingConfiguration> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new DiffrateError(`The configuration ${path} cannot be read (${messageOf(error)}): check its path.`);
  }
  return parseTrainingConfiguration(text, path);
}

/**
 * Parses a configuration file's text.
 * @param file its path, for error sentences.
 * @throws {DiffrateError} see `readTrainingConfiguration`.
 */
export function parseTrainingConfiguration(text: string, file: string): TrainingConfiguration {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DiffrateError(
      `The configuration ${file} is not valid JSON (${shortened(messageOf(error))}): correct it.`,
    );
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = v.getDotPath(issue) ?? 'it';
    throw new DiffrateError(
      `The configuration ${file} is wrong at ${quoted(where)} (${oneSentence(issue)}): correct that member.`,
    );
  }
  const { model, recipe } = parsed.output;
  const { preset, ...changes } = recipe;
  const { name, imageSize, patchSize, width, depth, heads, classes, pool, interpolation, mean, std, labels } = model;
  const wrong = (reason: string): DiffrateError => new DiffrateError(`The configuration ${file} is wrong: ${reason}.`);
  if (imageSize % patchSize !== 0)
    throw wrong(`"imageSize" ${imageSize} is not a multiple of "patchSize" ${patchSize}`);
  if (width % heads !== 0) throw wrong(`"width" ${width} is not divisible by "heads" ${heads}`);
  if (labels !== undefined && labels.length !== classes)
    throw wrong(`"labels" names ${labels.length} classes and "classes" is ${classes}`);
  const resizeShortSide = model.resizeShortSide ?? imageSize;
  if (resizeShortSide < imageSize)
    throw wrong(`"resizeShortSide" ${resizeShortSide} is smaller than "imageSize" ${imageSize}`);
  return {
    name,
    labels,
    network: visionTransformer({
      ...usualVisionTransformer,
      inputSize: square(imageSize),
      patchSize,
      width,
      depth,
      heads,
      hiddenWidth: model.hiddenWidth ?? 4 * width,
      classes,
      pool,
    }),
    preprocessing: { resize: square(resizeShortSide), crop: square(imageSize), interpolation, mean, std },
    recipe: { ...recipes[preset], ...withoutUndefined(changes) } as TrainingRecipe,
  };
}

/** What valibot says, with the file's value in quotation marks that end. */
function oneSentence({ message, received, input }: v.BaseIssue<unknown>): string {
  const own = typeof input === 'string' ? message.replace(received, () => quoted(input)) : message;
  return own.replace(/\.$/, '');
}

function withoutUndefined<Members extends object>(members: Members): Members {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Members;
}
