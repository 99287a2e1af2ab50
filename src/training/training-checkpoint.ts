/**
 * The state of a training run on disk: a safetensors file with the vectors of weights, moments and
 * averaged weights. Everything else is JSON in a tensor of bytes, so that one rename replaces all
 * of it.
 */
import { rm, stat } from 'node:fs/promises';
import * as v from 'valibot';
import { readSafetensors, writeSafetensors } from '../checkpoints/safetensors-file.ts';
import { float32Tensor, float32Values } from '../checkpoints/weights.ts';
import type { Weights, WeightTensor } from '../checkpoints/weights.ts';
import { DiffrateError, messageOf } from '../errors.ts';

const number = v.number();
const optionalNumber = v.optional(v.nullable(number));

const schema = v.object({
  identity: v.string(),
  step: v.pipe(number, v.safeInteger(), v.minValue(0)),
  updates: v.pipe(number, v.safeInteger(), v.minValue(0)),
  loss: number,
  lowestLoss: v.nullable(number),
  seconds: number,
  rows: v.array(
    v.object({
      step: number,
      epoch: number,
      loss: number,
      learningRate: number,
      imagesPerSecond: number,
      top1: optionalNumber,
      evaluationLoss: optionalNumber,
      kl: optionalNumber,
      objective: optionalNumber,
    }),
  ),
});

/**
 * What is not a vector: `identity` names the run, `updates` counts the optimizer's steps, `rows` is
 * the log so far.
 */
export type TrainingProgressState = v.InferOutput<typeof schema>;

/** Everything that the next step depends on. */
export interface TrainingCheckpoint {
  readonly state: TrainingProgressState;
  readonly weights: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Absent where weights are not averaged. */
  readonly average: Float32Array | undefined;
}

/** Name of the tensor with the JSON. */
const stateName = 'state';

/**
 * Writes a checkpoint; an older one stays whole until the new one is.
 * @throws {DiffrateError} if the file cannot be written.
 */
export async function writeTrainingCheckpoint(path: string, checkpoint: TrainingCheckpoint): Promise<void> {
  const { state, weights, first, second, average } = checkpoint;
  const vectors = { weights, first_moment: first, second_moment: second, ...(average && { average }) };
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  const tensors = new Map<string, WeightTensor>([
    [stateName, { name: stateName, type: 'uint8', shape: [bytes.length], bytes }],
    ...Object.entries(vectors).map(
      ([name, vector]) => [name, float32Tensor(name, [vector.length], vector)] as [string, WeightTensor],
    ),
  ]);
  await writeSafetensors(path, tensors, { format: 'diffrate training checkpoint' });
}

/**
 * Reads a checkpoint; `undefined` if there is none.
 * @param length elements of each vector.
 * @throws {DiffrateError} if it is damaged or of another run.
 */
export async function readTrainingCheckpoint(
  path: string,
  identity: string,
  length: number,
): Promise<TrainingCheckpoint | undefined> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  if (!there) return undefined;
  const damaged = (reason: string): DiffrateError =>
    new DiffrateError(`The training checkpoint '${path}' is damaged (${reason}); start again without \`resume\`.`);
  let tensors: Weights;
  try {
    tensors = await readSafetensors(path);
  } catch (error) {
    throw damaged(messageOf(error));
  }
  const parsed = v.safeParse(schema, parseJson(tensors.get(stateName)?.bytes));
  if (!parsed.success) throw damaged('its state cannot be read');
  if (parsed.output.identity !== identity) {
    throw new DiffrateError(
      `The checkpoint '${path}' belongs to another training (${parsed.output.identity}); start again without \`resume\`, or with the same options.`,
    );
  }
  const maybeVector = (name: string): Float32Array | undefined => {
    const tensor = tensors.get(name);
    if (tensor === undefined) return undefined;
    if (tensor.type !== 'float32' || tensor.shape.join() !== String(length)) throw damaged(`"${name}" does not fit`);
    return float32Values(tensor);
  };
  const vector = (name: string): Float32Array => {
    const found = maybeVector(name);
    if (found === undefined) throw damaged(`it has no "${name}"`);
    return found;
  };
  return {
    state: parsed.output,
    weights: vector('weights'),
    first: vector('first_moment'),
    second: vector('second_moment'),
    average: maybeVector('average'),
  };
}

/** Removes the checkpoint of a finished run. */
export async function removeTrainingCheckpoint(path: string): Promise<void> {
  await rm(path, { force: true });
}

function parseJson(bytes: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
