/**
 * `diffrate show`: what a schedule, or any other method, keeps, merges and prunes on images, as
 * pictures (Figure 5 of the paper).
 */
import { join } from 'node:path';
import { defineCommand } from 'citty';
import type { ImageSource } from '../../data/image-source.ts';
import { evaluateVariants } from '../../evaluation/evaluate.ts';
import { namesClasses, PredictionRecord } from '../../evaluation/predictions.ts';
import type { ImagePrediction } from '../../evaluation/predictions.ts';
import { withFolderLockIn } from '../../files/folder-lock.ts';
import { writeFolder } from '../../files/staged-folder.ts';
import type { FolderKind } from '../../files/staged-folder.ts';
import type { LoadedModel } from '../../loading/model-from-files.ts';
import type { Network } from '../../networks/network.ts';
import { diffRate } from '../../reduction/methods/diffrate.ts';
import type { BuiltMethod } from '../../reduction/methods/method.ts';
import { effectiveTokens } from '../../reduction/schedule.ts';
import type { TokenReducer } from '../../reduction/token-reducer.ts';
import { tokenCount } from '../../reduction/token-layout.ts';
import { reportPage } from '../../report/page.ts';
import { pictureFiles } from '../../report/picture-files.ts';
import { defaultBlocks, drawPictures } from '../../report/picture-series.ts';
import type { PictureSeries } from '../../report/picture-series.ts';
import { picturesReport } from '../../report/report.ts';
import { picturesFileName } from '../../report/report-file.ts';
import { formatMean, meanCounts } from '../../report/sections/pictures.ts';
import type { TokenCounts } from '../../report/token-groups.ts';
import type { SessionOptions } from '../../runtime/runtime.ts';
import { decodingOf, decodingOptions } from '../image-options.ts';
import { methodOption } from '../method-option.ts';
import { integerOption, integersOption, options } from '../options.ts';
import { formatTable, printResult } from '../output.ts';
import { folderNamedAfter, prepareFolder } from '../output-folder.ts';
import { withProgress } from '../progress.ts';
import { typedCommand, versionFacts } from '../provenance.ts';
import { selectionOf } from '../schedule-option.ts';
import type { NamedSchedule } from '../schedule-option.ts';
import { selectionOption } from '../selection-option.ts';
import { sessionOptions } from '../session-options.ts';
import { resolveImages } from '../shown-images.ts';
import { resolveShownModel } from '../shown-model.ts';

/** What the command prints. */
export interface ShowReport {
  readonly model: string;
  /** `null` where there is a method. */
  readonly schedule: string | null;
  /** By which rule the schedule selects tokens, as `--selection` takes it. */
  readonly selection: string | null;
  readonly method: string | null;
  readonly out: string;
  /** Blocks that were drawn, numbered from 1. */
  readonly blocks: readonly number[];
  readonly images: readonly ShownImage[];
  /** Path of the page with all pictures. */
  readonly report: string;
}

/** One image. */
export interface ShownImage {
  readonly file: string;
  /** Names of its pictures in `out`: the strip first. */
  readonly pictures: readonly string[];
  /** Counts after every block, numbered from 1. */
  readonly blocks: readonly (TokenCounts & { readonly block: number })[];
}

/** Names of pictures end as no photograph is called, so anybody's folder will do. */
const pictureFolder: FolderKind = { foreign: [], isOurs: () => Promise.resolve(true), replaced: [] };

const defaultLimit = '8';

export const showCommand = defineCommand({
  meta: {
    name: 'diffrate show',
    description:
      'What is kept, merged and pruned in each block, as pictures: merged patches in one colour, pruned ones hatched',
  },
  args: {
    model: {
      ...options.model,
      description: 'registry name, hub id or model folder, or a folder that compress or finetune wrote',
    },
    'image...': { type: 'positional', description: 'image files, or image folders', required: true },
    schedule: {
      ...options.schedule,
      description: `${options.schedule.description}; by default schedule.json of the model folder`,
    },
    selection: selectionOption,
    method: methodOption,
    weights: options.weights,
    blocks: { type: 'string', valueHint: '1,4,8,12', description: 'blocks to draw; by default these and the last' },
    out: {
      type: 'string',
      valueHint: 'DIR',
      description: 'folder for the pictures and tokens.html, by default MODEL-tokens here',
    },
    limit: { ...options.limit, description: 'images to take of a folder', default: defaultLimit },
    ...decodingOptions,
    device: options.device,
    threads: options.threads,
    json: options.json,
  },
  run: async ({ args }) => {
    const session = sessionOptions(args);
    const limit = integerOption('limit', args.limit) ?? Number(defaultLimit);
    const wanted = args.blocks === undefined ? undefined : integersOption('blocks', args.blocks);
    if (args.out !== undefined) await prepareFolder(args.out, pictureFolder);
    const { folder, named } = await resolveImages(args._.slice(1), limit, decodingOf(args));
    const { model, named: found, method } = await resolveShownModel(args.model, args);
    const out = args.out ?? folderNamedAfter(model.name, 'tokens');
    if (args.out === undefined) await prepareFolder(out, pictureFolder);
    const { network } = model;
    const compression = method ?? scheduled(found, network);
    const blocks =
      wanted === undefined
        ? defaultBlocks(compression.tokensPerBlock, network.layout)
        : [...new Set(wanted)].sort((a, b) => a - b);
    const series = await withProgress((progress) =>
      drawPictures({
        ...session,
        network: model,
        reducer: compression.reducer,
        source: folder,
        images: folder.images,
        blocks,
        ...(named ? {} : { onWarning: (message: string) => progress.note(`warning: ${message}`) }),
        onProgress: (done, of) => progress.update(`drawing: ${done} of ${of} images`),
      }),
    );
    const predictions = await predictionsOf({ model, reducer: compression.reducer, folder, series, session });
    const pictures = await pictureFiles(series);
    const page = await picturesReport({
      model: model.name,
      network,
      schedule: found?.schedule,
      method,
      pictures: series,
      predictions,
      labels: model.labels,
      provenance: {
        command: typedCommand(),
        facts: [
          ['model', `${model.name} (weights from ${model.source})`],
          [method === undefined ? 'schedule' : 'method', compression.name],
          ...(found === undefined ? [] : [['selection of tokens', selectionOf(found) ?? ''] as const]),
          ...(await versionFacts()),
        ],
      },
    });
    const files = pictures.flatMap((one) => one.files);
    await withFolderLockIn(out, () =>
      writeFolder(out, [...files, { path: picturesFileName, content: reportPage(page) }], pictureFolder),
    );
    const report: ShowReport = {
      model: model.name,
      schedule: found?.scheduleName ?? null,
      selection: selectionOf(found),
      method: method?.name ?? null,
      out,
      blocks,
      images: series.map(({ file, counts }, index) => ({
        file,
        pictures: (pictures[index]?.files ?? []).map(({ path }) => path),
        blocks: counts.map((count, block) => ({ block: block + 1, ...count })),
      })),
      report: join(out, picturesFileName),
    };
    printResult(args.json, report, () =>
      [
        `${model.name}, ${method === undefined ? 'schedule ' : ''}${compression.name}${found === undefined ? '' : ` (selection by ${selectionOf(found)})`}, ${series.length === 1 ? 'one image' : `mean of ${series.length} images`}`,
        formatTable(
          ['block', 'tokens', 'patches kept', 'patches merged', 'into tokens', 'patches pruned'],
          Array.from({ length: network.depth }, (_, block) => {
            const mean = meanCounts(series, block);
            const numbers = [mean.tokens, mean.untouched, mean.mergedPatches, mean.mergedTokens, mean.prunedPatches];
            return [String(block + 1), ...numbers.map(formatMean)];
          }),
        ),
        `${files.length} pictures in ${out}, all of them in ${report.report}`,
      ].join('\n\n'),
    );
  },
});

/** What is shown, and how it is computed. */
interface ShownRequest {
  readonly model: LoadedModel;
  readonly reducer: TokenReducer;
  readonly folder: ImageSource;
  /** Images that could be drawn. */
  readonly series: readonly PictureSeries[];
  readonly session: SessionOptions;
}

/**
 * What the network says of the images, with all its tokens and with fewer; `null` of no classes.
 */
async function predictionsOf({
  model,
  reducer,
  folder,
  series,
  session,
}: ShownRequest): Promise<readonly ImagePrediction[] | null> {
  const { answers } = model.network;
  if (!namesClasses(answers)) return null;
  const drawn = new Set(series.map(({ file }) => file));
  // Labels are not needed, and may be of other classes.
  const images = folder.images.filter(({ file }) => drawn.has(file)).map(({ file }) => ({ file }));
  const record = new PredictionRecord(images, answers);
  await evaluateVariants(model, [{}, { reducer }], {
    ...session,
    images: { ...folder, images, labelled: false },
    onAnswers: (batch) => record.add(batch),
  });
  return record.result();
}

/** DiffRate at a schedule, as a method. */
function scheduled(
  found: NamedSchedule | undefined,
  network: Pick<Network, 'layout' | 'importanceFrom'>,
): BuiltMethod & { readonly name: string } {
  if (found === undefined) throw new RangeError('there is a schedule where there is no method');
  const { schedule, scheduleName } = found;
  return {
    name: scheduleName,
    reducer: diffRate(schedule, network),
    tokensPerBlock: effectiveTokens(schedule, tokenCount(network.layout)).map(({ tokensOut }) => tokensOut),
  };
}
