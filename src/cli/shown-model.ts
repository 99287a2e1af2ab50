/**
 * `MODEL`, `--weights`, `--schedule` and `--method` of `diffrate show`: a folder that was
 * compressed brings its schedule, but not its weights; one that was trained with a method brings
 * both.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKPOINT_NAMES } from '../checkpoints/model-folder.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import { diffrateMember } from '../exporting/model-configuration.ts';
import { readJsonIfThere } from '../files/staged-folder.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import { lookUpModel } from '../networks/registry.ts';
import { resolveModel } from './model-option.ts';
import { checkCompression, resolveCompression } from './method-option.ts';
import type { Compression } from './method-option.ts';
import type { CompressionGiven } from './selection-option.ts';

/** A network, and the schedule or the method to show it under. */
export interface ShownModel extends Compression {
  readonly model: LoadedModel;
}

/**
 * Finds both.
 * @throws UsageError without a schedule or a method, or with both
 * @throws DiffrateError where the weights are not there, or anything does not fit
 */
export async function resolveShownModel(
  name: string,
  given: CompressionGiven & { readonly weights?: string },
): Promise<ShownModel> {
  const { method, selection } = given;
  const own = join(name, 'schedule.json');
  const schedule = given.schedule ?? (method === undefined && (await isFile(own)) ? own : undefined);
  checkCompression({ schedule, method, selection });
  const isAsked = schedule !== undefined || method !== undefined;
  // Only a folder can bring a method that was trained for it; a registry name's weights need not be
  // read to know that it does not.
  if (!isAsked && lookUpModel(name) !== undefined) throw nothingToShow();
  const model = await resolveModel(await modelBehind(name, given.weights), given.weights);
  if (!isAsked && model.trainedMethod === undefined) throw nothingToShow();
  return { model, ...(await resolveCompression({ schedule, method, selection }, model)) };
}

function nothingToShow(): UsageError {
  return new UsageError(
    'Without a schedule every token is kept: give --schedule FILE, a published one’s name, a folder that diffrate compress or diffrate finetune wrote, or --method.',
  );
}

/** An exported folder stands for the model that it was made from; everything else for itself. */
async function modelBehind(name: string, weights: string | undefined): Promise<string> {
  const exported = (await readJsonIfThere(join(name, 'config.json')))?.[diffrateMember];
  if (exported === undefined) return name;
  if ((await Promise.all(CHECKPOINT_NAMES.map((file) => isFile(join(name, file))))).includes(true)) return name;
  const from = typeof exported === 'object' && exported !== null && 'model' in exported ? exported.model : undefined;
  if (typeof from !== 'string' || lookUpModel(from) === undefined) {
    throw new DiffrateError(
      `${name} holds an ONNX model, from which tokens cannot be followed: name the model that it was made from, with --schedule ${join(name, 'schedule.json')}.`,
    );
  }
  if (weights === undefined) {
    throw new UsageError(
      `${name} holds an ONNX model, from which tokens cannot be followed: give the checkpoint of ${from} that it was made from with --weights FILE.`,
    );
  }
  return from;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
