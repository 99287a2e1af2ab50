/**
 * `report.html` in the model folder that `diffrate compress` wrote: what can go wrong with it must
 * not cost the finished work.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatCost } from '../cost/cost.ts';
import type { CorrectionReport } from '../correction/correction-options.ts';
import type { DecodedImages } from '../data/decoded-images.ts';
import type { ImageSource } from '../data/image-source.ts';
import { messageOf } from '../errors.ts';
import { correctedModel, correctionFileName, readCorrectionFile } from '../exporting/correction-file.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import type { Objective } from '../objectives/objective.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { changedImages } from '../report/changed-images.ts';
import type { ChangedImages } from '../report/changed-images.ts';
import { sampleImages } from '../report/image-sample.ts';
import { defaultBlocks, drawPictures } from '../report/picture-series.ts';
import type { PictureSeries } from '../report/picture-series.ts';
import { compressionReport } from '../report/report.ts';
import { reportFileName, writeReport } from '../report/report-file.ts';
import type { SizedFile } from '../report/sections/files.ts';
import type { Fact } from '../report/sections/provenance.ts';
import type { SessionOptions } from '../runtime/runtime.ts';
import type { CompressionResult } from '../compress/compress-options.ts';
import { nextSteps } from './next-steps.ts';
import type { TypedCompression } from './next-steps.ts';
import { originalCheckpoint } from './original-checkpoint.ts';
import { formatSeconds, oneLine, printWarning } from './output.ts';
import { withProgress } from './progress.ts';
import { typedCommand, versionFacts } from './provenance.ts';

/** What a report is made of. */
export interface CompressionReportRequest {
  readonly model: LoadedModel;
  readonly result: CompressionResult;
  /** Images that the schedule was searched on, and those that pictures are drawn of. */
  readonly searched: ImageSource | undefined;
  readonly evaluated: ImageSource | undefined;
  /** Images that were decoded for search and evaluation. */
  readonly decoded: DecodedImages;
  /** What the search minimised. */
  readonly objective: Objective;
  readonly seed: number;
  readonly session: SessionOptions;
  readonly typed: TypedCompression;
}

const shownImages = 6;

/**
 * Draws and writes the report; where that fails, a warning says so.
 * @returns its path, or `null` where there is none
 */
export async function writeCompressionReport(request: CompressionReportRequest): Promise<string | null> {
  const { model, result, objective } = request;
  const path = join(result.directory, reportFileName);
  try {
    const page = await compressionReport({
      model: model.name,
      network: model.network,
      schedule: result.schedule,
      target: { value: result.target, unit: 'GFLOPs' },
      objective,
      measurements: result,
      precisions: result.precisions,
      history: result.history,
      pictures: await picturesOf(request),
      predictions: result.predictions,
      changes: await changesOf(request),
      labels: model.labels,
      files: { original: await originalCheckpoint(model), written: await writtenFiles(result) },
      next: nextSteps(model, result, request.typed),
      provenance: { command: typedCommand(), facts: await factsOf(request) },
    });
    await writeReport(path, page);
    return path;
  } catch (error) {
    printWarning(`The model folder ${result.directory} is complete but has no report: ${oneLine(messageOf(error))}`);
    return null;
  }
}

async function picturesOf({
  model,
  result,
  evaluated,
  decoded,
  seed,
  session,
}: CompressionReportRequest): Promise<PictureSeries[]> {
  if (evaluated === undefined || (result.evaluation?.after.images ?? 0) === 0) return [];
  const broken = new Set(result.evaluation?.after.skipped.map(({ file }) => file));
  const whole = { ...evaluated, images: evaluated.images.filter(({ file }) => !broken.has(file)) };
  const { network } = model;
  const file = join(result.directory, correctionFileName);
  const shown =
    result.correction?.found === true
      ? await correctedModel(model, result.schedule, await readCorrectionFile(file))
      : model;
  const tokensOut = effectiveTokens(result.schedule, tokenCount(network.layout)).map((block) => block.tokensOut);
  return withProgress((progress) =>
    drawPictures({
      ...session,
      network: shown,
      reducer: diffRate(result.schedule, network),
      source: evaluated,
      images: sampleImages(whole, shownImages, seed),
      decoded,
      blocks: defaultBlocks(tokensOut, network.layout),
      onProgress: (done, of) => progress.update(`drawing the report's pictures: ${done} of ${of}`),
    }),
  );
}

async function changesOf({
  model,
  result,
  evaluated,
  decoded,
}: CompressionReportRequest): Promise<ChangedImages | undefined> {
  const { predictions } = result;
  if (predictions === null || evaluated === undefined) return undefined;
  return changedImages({ predictions, source: evaluated, preprocessing: model.preprocessing, decoded });
}

/** Sizes as they lie on disk: the model card has grown since the folder was written. */
async function writtenFiles({ directory, files }: CompressionResult): Promise<SizedFile[]> {
  return Promise.all(files.map(async ({ path }) => ({ path, bytes: (await stat(join(directory, path))).size })));
}

async function factsOf({ model, result, searched, evaluated, seed }: CompressionReportRequest): Promise<Fact[]> {
  const { search, schedule, correction, machine } = result;
  const folderFact = (name: string, folder: ImageSource | undefined): Fact[] =>
    folder === undefined ? [] : [[name, `${folder.images.length} of ${folder.name}`]];
  return [
    ['model', `${model.name} (weights from ${model.source})`],
    [
      'schedule',
      search === null ? schedule.createdBy : `searched in ${search.steps} steps, ${formatSeconds(search.seconds)}`,
    ],
    ...(correction === null ? [] : ([['correction', correctionFact(correction)]] as const)),
    ['target', formatCost(result.target, 'GFLOPs', 6)],
    ...(search === null ? [] : ([['seed', seed]] as const)),
    ...folderFact('images to search on', searched),
    ...folderFact('images to evaluate on', evaluated),
    ...(machine === undefined ? [] : ([['machine', machine]] as const)),
    ['made', new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC'],
    ...(await versionFacts()),
  ];
}

/** What a correction is worth. */
function correctionFact({ found, before, after, unit, heldOutImages, bestStep }: CorrectionReport): string {
  return found
    ? `scales and biases trained in ${bestStep} steps: ${before.toPrecision(3)} → ${after.toPrecision(3)} ${unit} on ${heldOutImages} held-out images`
    : `none: nothing was better on ${heldOutImages} held-out images`;
}
