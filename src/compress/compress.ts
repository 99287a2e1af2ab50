/**
 * The main job: from a network and images to a folder with a faster network, and what it is worth.
 * A schedule is searched, the folder is written, and its files are measured as they lie on disk.
 */
import { basename, resolve } from 'node:path';
import { baselineFlops, flopsPerGflop } from '../cost/flops.ts';
import type { CountedNetwork } from '../cost/flops.ts';
import type { CostTarget } from '../cost/cost.ts';
import { DecodedImages } from '../data/decoded-images.ts';
import { checkLabels } from '../data/image-source.ts';
import type { ImageSource } from '../data/image-source.ts';
import { openImages } from '../data/open-images.ts';
import type { ImageInput } from '../data/open-images.ts';
import { requireTarget } from '../cost/target-check.ts';
import { onceEach } from '../data/skipped-images.ts';
import { DiffrateError, messageOf, UsageError } from '../errors.ts';
import { classesOf } from '../evaluation/metrics.ts';
import { correctedModel } from '../exporting/correction-file.ts';
import type { Correction } from '../exporting/correction-file.ts';
import { checkedDtypes, checkExportDirectory, writeModelFolder } from '../exporting/export-model.ts';
import type { ExportedModel } from '../exporting/export-model.ts';
import { deviceRemarks } from '../exporting/precision.ts';
import { writeModelCard } from '../exporting/model-card-file.ts';
import { withFolderLock } from '../files/folder-lock.ts';
import { prepareOutputFile } from '../files/output-file.ts';
import { progressFile } from '../files/progress-file.ts';
import type { ProgressStore } from '../files/progress-store.ts';
import { loadModel } from '../loading/load-model.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import { imagesFor } from '../networks/model.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { settledSelection } from '../reduction/selection-choice.ts';
import { compressOptionNames } from './compress-options.ts';
import type { CompressOptions, CompressProgress, CompressionResult, OpenedCompression } from './compress-options.ts';
import { checkWantedCorrection, findCorrection } from './find-correction.ts';
import { checkSchedule, findSchedule } from './find-schedule.ts';
import type { FoundSchedule } from './find-schedule.ts';
import { measureFiles } from './measure-files.ts';
import type { MeasuredFiles } from './measure-files.ts';

const defaultTarget: CostTarget = { ratio: 0.65 };

/**
 * Compresses a network: searches a schedule, writes the model folder, measures every precision of
 * it from disk, and writes the figures into its model card. The folder is there before anything is
 * measured, and the search's checkpoint stays beside it until all is done.
 * @throws {DiffrateError} for a folder that is not ours to replace or that is being written, a
 *   target out of reach, images that cannot be used, and all else that a search refuses; where the
 *   folder cannot be written after the search, or not be measured, the sentence says what is kept.
 */
export async function compress(
  options: CompressOptions,
  onProgress: (progress: CompressProgress) => void = () => {},
): Promise<CompressionResult> {
  const { settled, target } = await prepareCompression(options);
  const { directory } = settled;
  await checkCompressionDirectory(directory);
  return withFolderLock(directory, async () => {
    // Somebody may have written it since.
    await checkCompressionDirectory(directory);
    return compressInto(settled, target, onProgress);
  });
}

/**
 * Settles and checks a compression but for its folder; nothing is run.
 * @returns its options, and the target in 10⁹ multiply-accumulates.
 * @throws {DiffrateError} for images that cannot be used, and labels out of range.
 */
async function prepareCompression(
  options: CompressOptions,
): Promise<{ readonly settled: OpenedCompression; readonly target: number }> {
  requireOptions(options);
  const { strict } = options;
  const onWarning = onceEach(options.onWarning);
  const model = await opened(options.model, onWarning);
  const open = async (input: ImageInput | undefined): Promise<ImageSource | undefined> =>
    input === undefined
      ? undefined
      : imagesFor(model, await openImages(input, { strict, onWarning }), { strict, onWarning });
  const images = await open(options.images);
  const evaluationImages = (await open(options.evaluationImages)) ?? images;
  const dtypes = checkedDtypes(options.dtypes);
  const wanted = options.target ?? defaultTarget;
  requireTarget(wanted, 'compression');
  const target = gflopsOf(wanted, model.network);
  for (const warning of deviceRemarks(dtypes, options.device)) onWarning(warning);
  // After a search that took long is no time to learn that a label is wrong.
  for (const { name, images: listed } of [images, evaluationImages].filter((source) => source !== undefined)) {
    if (listed.length === 0) throw new DiffrateError(`'${name}' holds no images: add some.`);
  }
  if (evaluationImages !== undefined) checkLabels(evaluationImages, classesOf(model.network.answers));
  const settled: OpenedCompression = {
    ...options,
    model,
    images,
    evaluationImages,
    dtypes,
    // Search and evaluation read the same images: each is decoded once.
    decoded: options.decoded ?? new DecodedImages(),
    onWarning,
  };
  return { settled, target };
}

/**
 * Checks a compression; nothing is run, and nothing written.
 * @returns the target in 10⁹ multiply-accumulates.
 * @throws {DiffrateError} as `compress` does before it runs anything.
 */
export async function checkCompression(options: CompressOptions): Promise<number> {
  const { settled, target } = await prepareCompression(options);
  await checkExportDirectory(settled.directory);
  await checkSchedule(settled, target, progressFile(checkpointOf(settled.directory)));
  await checkWantedCorrection(settled, progressFile(correctionCheckpointOf(settled.directory)));
  return target;
}

/** What callers without types can leave out. */
function requireOptions(options: CompressOptions): void {
  const { model, directory } = options ?? {};
  const isModel = typeof model === 'string' || (typeof model === 'object' && model !== null && 'network' in model);
  if (!isModel)
    throw new UsageError('The compression has no model: give a loaded one, a registry name, a hub id or a folder.');
  if (typeof directory !== 'string' || directory === '')
    throw new UsageError('The compression has no directory: give the path of the folder to write.');
  requireKnownOptions(options, compressOptionNames, 'compression');
  if (options.selection !== undefined) settledSelection(options.selection, 'The selection of the compression');
}

/** The model, loaded where it is not yet. */
async function opened(model: LoadedModel | string, onWarning: (message: string) => void): Promise<LoadedModel> {
  if (typeof model !== 'string') return model;
  const loaded = await loadModel(model);
  for (const warning of loaded.warnings) onWarning(warning);
  return loaded;
}

/**
 * Checks before long work that a compression could write there.
 * @throws {DiffrateError} where it could not
 */
export async function checkCompressionDirectory(directory: string): Promise<void> {
  await checkExportDirectory(directory);
  await prepareOutputFile(checkpointOf(directory));
}

/** Beside the folder, which is to appear as a whole. */
const checkpointOf = (directory: string): string => {
  const path = directory.replace(/[/\\]+$/, '');
  // What is called by its place alone has a name, too.
  return `${['', '.', '..'].includes(basename(path)) ? resolve(directory) : path}.checkpoint`;
};

/** Of the correction, which follows the search. */
const correctionCheckpointOf = (directory: string): string =>
  checkpointOf(directory).replace(/\.checkpoint$/, '.correction.checkpoint');

async function compressInto(
  options: OpenedCompression,
  target: number,
  onProgress: (progress: CompressProgress) => void,
): Promise<CompressionResult> {
  const { model, directory, dtypes = [] } = options;
  const [searching, correcting] = [checkpointOf(directory), correctionCheckpointOf(directory)].map(progressFile) as [
    ProgressStore,
    ProgressStore,
  ];
  await checkWantedCorrection(options, correcting);
  const found = await findSchedule(options, target, searching, onProgress);
  const { correction, report } = await findCorrection(options, found.schedule, correcting, onProgress);
  // Written before anything is measured: what a long search found is then safe, whatever happens.
  const exported = await writeFound(options, found, correction);
  for (const warning of exported.warnings) options.onWarning?.(warning);
  const written = exported.schedule ?? found.schedule;
  const measured = await measureWritten(options, found, { schedule: written, correction }, onProgress);
  try {
    await writeModelCard(directory, {
      model,
      schedule: written,
      correction: correction?.figures,
      dtypes,
      measured,
      precisions: measured.precisions,
      blockOverhead: found.search?.blockOverhead,
    });
  } catch (error) {
    options.onWarning?.(`${sentencePart(error)}; its figures are in the result alone.`);
  }
  // With it a call that was stopped while it measured would not search again.
  if (report !== null) await correcting.remove();
  if (found.search !== null) await searching.remove();
  const { search, history } = found;
  return {
    model: model.name,
    directory,
    target,
    schedule: written,
    search,
    correction: report,
    history,
    ...measured,
    files: exported.files,
  };
}

/** Writes the folder; where that fails the search is not lost. */
async function writeFound(
  { model, directory, dtypes = [], write }: OpenedCompression,
  { schedule, search }: FoundSchedule,
  correction: Correction | undefined,
): Promise<ExportedModel> {
  try {
    return await writeModelFolder({ model, schedule, correction, directory, dtypes, write });
  } catch (error) {
    if (search === null) throw error;
    throw new DiffrateError(
      `The search is done but its result could not be written (${sentencePart(error)}); it is kept in ${checkpointOf(directory)}, from which a search that is resumed ends at once.`,
    );
  }
}

/** Measures the folder; where that fails it is complete all the same. */
async function measureWritten(
  options: OpenedCompression,
  { search }: FoundSchedule,
  { schedule, correction }: { readonly schedule: Schedule; readonly correction: Correction | undefined },
  onProgress: (progress: CompressProgress) => void,
): Promise<MeasuredFiles> {
  const { model, directory, dtypes = [], images, evaluationImages, signal } = options;
  const { objective, device, threads, runtime, decoded, strict, onWarning } = options;
  const report = (progress: CompressProgress): void => {
    onProgress(progress);
    if (signal?.aborted === true) throw new DiffrateError('It was stopped.');
  };
  const corrected = correction && (await correctedModel(model, schedule, correction));
  try {
    return await measureFiles({
      model,
      directory,
      schedule,
      parameters: corrected?.parameters,
      dtypes,
      images: evaluationImages,
      searched: images,
      skipped: search?.skipped,
      objective,
      session: { device, threads },
      runtime,
      decoded,
      strict,
      onWarning,
      onProgress: report,
    });
  } catch (error) {
    const kept =
      search === null
        ? ''
        : `; the search is kept in ${checkpointOf(directory)}, and measuring continues with \`resume: true\``;
    throw new DiffrateError(
      `The model folder ${directory} is complete but could not be measured (${sentencePart(error)})${kept}.`,
      { cause: causeOf(error) },
    );
  }
}

/** What somebody's own runtime threw, which sentences around it must not hide. */
const causeOf = (error: unknown): unknown => (error instanceof DiffrateError ? (error.cause ?? error) : error);

/** A message within a sentence. */
const sentencePart = (error: unknown): string => messageOf(error).replace(/\s+/g, ' ').trim().replace(/\.$/, '');

/** The target in 10⁹ multiply-accumulates; whether it can be reached is the search's question. */
function gflopsOf(target: CostTarget, network: CountedNetwork): number {
  if ('ratio' in target) return Number(((target.ratio * baselineFlops(network).total) / flopsPerGflop).toPrecision(6));
  if (target.unit === 'GFLOPs') return target.value;
  throw new UsageError(
    `A compression is for FLOPs, and the target is in ${target.unit}: give it in GFLOPs, or as a share of the uncompressed network's.`,
  );
}
