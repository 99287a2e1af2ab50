/**
 * Corrections on disk: `correction.safetensors` beside a schedule. It holds the corrected
 * parameters alone, under the network's names, and says in its metadata which weights and which
 * schedule they belong to. With others they would do harm.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { decodeSafetensors, encodeSafetensors, safetensorsMetadata } from '../checkpoints/safetensors.ts';
import { writeSafetensors } from '../checkpoints/safetensors-file.ts';
import { float32Values } from '../checkpoints/weights.ts';
import type { Weights } from '../checkpoints/weights.ts';
import { DiffrateError, messageOf, quoted } from '../errors.ts';
import { scheduleFingerprint, weightsFingerprint } from '../execution/fingerprints.ts';
import { constant, formatShape } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Model } from '../networks/model.ts';
import { networkParameters } from '../networks/recorded-parameters.ts';
import type { Parameters } from '../nn/parameters.ts';
import type { Schedule } from '../reduction/schedule.ts';

/** Name of the file in a schedule's folder. */
export const correctionFileName = 'correction.safetensors';

const format = 'diffrate correction';

/**
 * What a correction is worth: the mean distance from the plain network on images that it was not
 * trained on, `before` without and `after` with it, in the objective's unit.
 */
export interface CorrectionFigures {
  /** Name of the objective. */
  readonly objective: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  readonly heldOutImages: number;
  readonly trainingImages: number;
  /** Optimizer steps until then. */
  readonly steps: number;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const distance = v.pipe(v.number(), v.finite());

const figuresSchema: v.GenericSchema<unknown, CorrectionFigures> = v.object({
  objective: v.string(),
  unit: v.string(),
  before: distance,
  after: distance,
  heldOutImages: count,
  trainingImages: count,
  steps: count,
});

/** Parameters that a compressed network has in place of its own. */
export interface Correction {
  /** By the network's names. */
  readonly parameters: Weights;
  /** Fingerprints of the weights and of the schedule that they were trained for. */
  readonly weights: string;
  readonly schedule: string;
  readonly figures: CorrectionFigures;
}

/** The path of the correction that a schedule's file may have. */
export function correctionPath(scheduleFile: string): string {
  return join(dirname(scheduleFile), correctionFileName);
}

/** The content of the file. */
export function encodeCorrection(correction: Correction): Uint8Array {
  return encodeSafetensors(correction.parameters, metadataOf(correction));
}

/**
 * Writes the file, whole or not at all.
 * @throws {DiffrateError} where it cannot be written.
 */
export async function writeCorrectionFile(path: string, correction: Correction): Promise<void> {
  await writeSafetensors(path, correction.parameters, metadataOf(correction));
}

function metadataOf({ weights, schedule, figures }: Correction): Record<string, string> {
  return { format, weights, schedule, figures: JSON.stringify(figures) };
}

/**
 * Reads the file; it is not yet compared with a network: see `correctedModel`.
 * @throws {DiffrateError} where it cannot be read, or is no correction.
 */
export async function readCorrectionFile(path: string): Promise<Correction> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new DiffrateError(`The correction ${path} cannot be read (${messageOf(error)}): ${instead}.`);
  }
  let parameters: Weights;
  let metadata: Readonly<Record<string, string>>;
  try {
    parameters = decodeSafetensors(bytes, path);
    metadata = safetensorsMetadata(bytes);
  } catch (error) {
    throw new DiffrateError(`The correction cannot be used: ${messageOf(error).replace(/: [^:]*$/, '')}; ${instead}.`);
  }
  const { weights, schedule } = metadata;
  const figures = v.safeParse(figuresSchema, parsed(metadata['figures']));
  if (metadata['format'] !== format || weights === undefined || schedule === undefined || !figures.success)
    throw new DiffrateError(`${path} is not a correction, by its metadata: ${instead}.`);
  return { parameters, weights, schedule, figures: figures.output };
}

const instead = 'make one with `correctSchedule`, or leave it out with `correct: false`';

function parsed(text = ''): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The model with its corrected parameters, which is right with this schedule alone.
 * @param source the file that sentences name.
 * @throws {DiffrateError} where the correction is of other weights or of another schedule, or its
 *   names, shapes or values do not fit.
 */
export async function correctedModel<Corrected extends Model>(
  model: Corrected,
  schedule: Schedule,
  correction: Correction,
  source = 'The correction',
): Promise<Corrected> {
  const { network, parameters } = model;
  if (correction.weights !== (await weightsFingerprint(model)))
    throw new DiffrateError(`${source} is a correction of other weights than those of ${model.name}: ${instead}.`);
  if (correction.schedule !== (await scheduleFingerprint(schedule, network)))
    throw new DiffrateError(`${source} is a correction for another schedule: ${instead}.`);
  const shapes = new Map(networkParameters(network, parameters.has).map(({ name, shape }) => [name, shape]));
  const corrected = new Map<string, Tensor>();
  for (const [name, tensor] of correction.parameters) {
    const shape = shapes.get(name);
    if (shape === undefined)
      throw new DiffrateError(`${source}: ${model.name} has no parameter ${quoted(name)}; ${instead}.`);
    if (tensor.type !== 'float32' || tensor.shape.join() !== shape.join())
      throw new DiffrateError(
        `${source}: ${quoted(name)} is ${tensor.type} ${formatShape(tensor.shape)} where ${model.name} has float32 ${formatShape(shape)}; ${instead}.`,
      );
    const values = float32Values(tensor);
    if (!values.every(Number.isFinite))
      throw new DiffrateError(`${source}: ${quoted(name)} has a value that is no finite number; ${instead}.`);
    corrected.set(name, constant(values, shape, 'float32', name));
  }
  return { ...model, parameters: replaced(parameters, corrected) };
}

function replaced(parameters: Parameters, corrected: ReadonlyMap<string, Tensor>): Parameters {
  return {
    has: parameters.has,
    tensor: (name, shape) => corrected.get(name) ?? parameters.tensor(name, shape),
  };
}

/** What a correction is worth, in a sentence. */
export function correctionSentence(figures: CorrectionFigures): string {
  const { unit, before, after, heldOutImages, trainingImages, steps } = figures;
  const less = (100 * (1 - after / before)).toFixed(0);
  return (
    `Scales and biases of norms and biases of linear layers were trained for the schedule (${steps} steps on ${trainingImages} images): ` +
    `on ${heldOutImages} other images the answers are ${after.toPrecision(3)} ${unit} from the original’s instead of ${before.toPrecision(3)}, ${less} % less.`
  );
}
