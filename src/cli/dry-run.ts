/**
 * `--dry-run`: what a command would work on. Every image is decoded, and all is checked that the
 * command checks before it runs anything; then nothing is run, and nothing written.
 */
import { flopsCost } from '../cost/flops-cost.ts';
import { formatCost } from '../cost/cost.ts';
import { createImageLoader } from '../data/batches.ts';
import type { SkippedImage } from '../data/batches.ts';
import type { ImageSource } from '../data/image-source.ts';
import { imageFacts } from '../data/labels/describe-labels.ts';
import type { ImageFacts } from '../data/labels/describe-labels.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import type { Model } from '../networks/model.ts';
import { namedShape } from '../networks/model.ts';
import type { Objective } from '../objectives/objective.ts';
import { searchSpace } from '../reduction/search-space.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { imagesInWords } from './image-options.ts';
import { printResult } from './output.ts';
import { withProgress } from './progress.ts';

/** What a command would work on. */
export interface DryRunRequest {
  readonly model: Pick<Model, 'name' | 'network' | 'preprocessing' | 'labels'>;
  readonly objective: Objective;
  readonly images?: ImageSource | undefined;
  /** Images to evaluate on, where these are others. */
  readonly evaluation?: ImageSource | undefined;
  /** In the cost's unit; absent where nothing is to be reached. */
  readonly target?: number | undefined;
  readonly strict?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Images that were read. */
export interface ReadFacts extends ImageFacts {
  /** Those that cannot be decoded, and why. */
  readonly skipped: readonly SkippedImage[];
}

/** What `--dry-run --json` prints. */
export interface DryRunReport {
  readonly dryRun: true;
  readonly model: string;
  readonly dataset: ReadFacts | null;
  readonly evaluationDataset: ReadFacts | null;
  readonly blocks: number;
  /** Blocks in which tokens may go. */
  readonly searchedBlocks: number;
  readonly tokens: number;
  readonly answers: { readonly kind: string; readonly size: number; readonly named: number };
  readonly objective: string;
  readonly cost: {
    readonly unit: string;
    readonly uncompressed: number;
    readonly least: number;
    readonly greatest: number;
    readonly target: number | null;
  };
}

/**
 * Reads all images and prints what there is.
 * @throws {DiffrateError} where the command itself would, for what can be known before it runs.
 */
export async function dryRun(request: DryRunRequest): Promise<void> {
  const { model, objective, images, evaluation, target, json } = request;
  const { network } = model;
  const dataset = images && (await read(images, request));
  const evaluationDataset = evaluation && evaluation !== images ? await read(evaluation, request) : undefined;
  const space = searchSpace(namedShape(network, model.name));
  const cost = flopsCost(network);
  const { min, max } = cost.reachable(space);
  const report: DryRunReport = {
    dryRun: true,
    model: model.name,
    dataset: dataset ?? null,
    evaluationDataset: evaluationDataset ?? null,
    blocks: network.blocks,
    searchedBlocks: space.searched.length,
    tokens: tokenCount(network.layout),
    answers: {
      kind: network.answers.kind,
      size: network.answers.size,
      named: Object.keys(model.labels ?? {}).length,
    },
    objective: objective.name,
    cost: { unit: cost.unit, uncompressed: cost.baseline, least: min, greatest: max, target: target ?? null },
  };
  printResult(json, report, () => formatReport(report, images, evaluation));
}

/** Decodes every image. */
async function read(
  source: ImageSource,
  {
    model,
    strict,
  }: { readonly model: { readonly preprocessing: Preprocessing }; readonly strict?: boolean | undefined },
): Promise<ReadFacts> {
  return withProgress(async (progress) => {
    const loader = createImageLoader({
      source,
      preprocessing: model.preprocessing,
      batchSize: 16,
      ...(strict === undefined ? {} : { strict }),
      onWarning: (message) => progress.note(`warning: ${message}`),
    });
    let images = 0;
    try {
      for await (const { indices } of loader) {
        images += indices.length;
        progress.update(`reading ${source.name}: ${images} of ${source.images.length} images`);
      }
      return { ...imageFacts(source), skipped: loader.skipped };
    } finally {
      await loader.close();
    }
  });
}

function formatReport(
  report: DryRunReport,
  images: ImageSource | undefined,
  evaluation: ImageSource | undefined,
): string {
  const { model, dataset, evaluationDataset, blocks, searchedBlocks, tokens, answers, objective, cost } = report;
  const named = answers.named === 0 ? '' : `, ${answers.named} of them named`;
  const { unit, uncompressed, least, greatest, target } = cost;
  const price = (value: number): string => formatCost(value, unit);
  return [
    `dry run of ${model}: nothing was run, and nothing written`,
    ...imageLines('images', images, dataset),
    ...imageLines('images to evaluate on', evaluation, evaluationDataset),
    `network: ${blocks} blocks (${searchedBlocks} whose tokens may go), ${tokens} tokens, ${answers.size} ${answers.kind}${named}`,
    `objective: ${objective}`,
    `cost: ${price(uncompressed)} uncompressed, from ${price(least)} to ${price(greatest)} by a schedule` +
      (target === null ? '' : `; the target is ${price(target)}`),
  ].join('\n');
}

function imageLines(what: string, source: ImageSource | undefined, facts: ReadFacts | null): string[] {
  if (source === undefined || facts === null) return [];
  const { skipped } = facts;
  const lines = skipped.map(({ file, reason }) => `  left out: ${file} (${reason})`);
  return [
    `${what}: ${imagesInWords(source)}; ${skipped.length === 0 ? 'all can be decoded' : `${skipped.length} cannot be decoded`}`,
    ...lines,
  ];
}
