/**
 * What the numbers of the selection rule `dissimilarity` are worth: each is moved alone, on three
 * schedules of two networks. Nothing is searched. `docs/selection.md` quotes it.
 */
import { spreadSample } from '../src/data/image-sample.ts';
import type { ImageSource } from '../src/data/image-source.ts';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { flopsPerGflop } from '../src/cost/flops.ts';
import { countGraphFlops } from '../src/cost/graph-flops.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import { readScheduleFile } from '../src/exporting/schedule-file.ts';
import { loadModel } from '../src/loading/load-model.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import { findPublishedSchedule } from '../src/reduction/published-schedules.ts';
import type { KeptNumbers } from '../src/reduction/schedule.ts';
import { dissimilarity } from '../src/reduction/selection.ts';
import type { Selection } from '../src/reduction/selection.ts';
import { tokenCount } from '../src/reduction/token-layout.ts';
import { dataPath } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const folder = process.env['SELECTION_IMAGES'] ?? 'imagenet-calibration';
const limit = Number(process.env['SELECTION_LIMIT'] ?? '400');
const networks = (process.env['SELECTION_NETWORKS'] ?? 'deit_tiny_patch16_224,vit_tiny_patch16_224').split(',');

/** Files of schedules in place of the three. */
const files = (process.env['SELECTION_SCHEDULES'] ?? '').split(',').filter((path) => path !== '');

/** The rule of the paper, and `dissimilarity` with one number at another value. */
const rules: Readonly<Record<string, Selection | undefined>> = {
  'class attention (the paper)': undefined,
  'dissimilarity (default)': dissimilarity,
  'power 0: similarity counts for nothing': { ...dissimilarity, power: 0 },
  'power 1': { ...dissimilarity, power: 1 },
  'power 1.4': { ...dissimilarity, power: 1.4 },
  'power 3': { ...dissimilarity, power: 3 },
  'perSize 0': { ...dissimilarity, perSize: 0 },
  'perSize 1': { ...dissimilarity, perSize: 1 },
  'candidates 0.3': { ...dissimilarity, candidates: 0.3 },
  'candidates 0.7': { ...dissimilarity, candidates: 0.7 },
  'candidates 1: all pairs': { ...dissimilarity, candidates: 1 },
  'weight 0': { ...dissimilarity, weight: 0 },
  'weight 1': { ...dissimilarity, weight: 1 },
  'norm 0': { ...dissimilarity, norm: 0 },
  'norm 0.8': { ...dissimilarity, norm: 0.8 },
  'coherence 1': { ...dissimilarity, coherence: 1 },
  'coherence 2': { ...dissimilarity, coherence: 2 },
};

/** Everything that goes is merged. */
const merged = (tokensOut: readonly number[], tokens: number): KeptNumbers => ({
  pruneKept: tokensOut.map((_, block) => tokensOut[block - 1] ?? tokens),
  mergeKept: tokensOut,
  merging: 'patches',
});

/** Kept numbers of DeiT-T, which ViT-Ti takes as well. */
function schedules(tokens: number): Readonly<Record<string, KeptNumbers>> {
  const published = (target: string): KeptNumbers =>
    merged(findPublishedSchedule(`deit_tiny_patch16_224@${target}`).mergeKept, tokens);
  const thirteen = Array.from({ length: 12 }, (_, block) => tokens - 13 * Math.min(block, 10));
  return {
    'published 0.8': published('0.8'),
    '13 in each block': merged(thirteen, tokens),
    'published 0.6': published('0.6'),
  };
}

/** Those of the files, by path. */
async function searchedSchedules(): Promise<Readonly<Record<string, KeptNumbers>>> {
  return Object.fromEntries(await Promise.all(files.map(async (path) => [path, await readScheduleFile(path)])));
}

/** One line per rule and network. */
export const selectionStudy: Measurement = {
  name: 'selection',
  description: `the selection rule dissimilarity with each of its numbers moved, KL on ${limit} images of ${folder} (SELECTION_IMAGES, SELECTION_LIMIT, SELECTION_NETWORKS and SELECTION_SCHEDULES choose others)`,
  needs: [...networks.map((name) => `weights/${name}.safetensors`), folder],
  async run() {
    const lines: string[] = [];
    const all = await openImageFolder(dataPath(folder));
    const images = { ...all, images: spreadSample(all, limit) };
    for (const name of networks) {
      const model = await loadModel(name, { weights: dataPath(`weights/${name}.safetensors`) });
      const columns = files.length > 0 ? await searchedSchedules() : schedules(tokenCount(model.network.layout));
      lines.push(
        `| ${name} | ${Object.keys(columns).join(' | ')} |`,
        `|---|${'---|'.repeat(Object.keys(columns).length)}`,
      );
      for (const [rule, selection] of Object.entries(rules)) {
        lines.push(`| ${rule} | ${(await cells(model, images, Object.values(columns), selection)).join(' | ')} |`);
      }
    }
    return lines;
  },
};

async function cells(
  model: LoadedModel,
  images: ImageSource,
  columns: readonly KeptNumbers[],
  selection: Selection | undefined,
): Promise<string[]> {
  const reducers = columns.map((kept) => diffRate({ ...kept, selection }, model.network));
  const results = await evaluateVariants(
    model,
    reducers.map((reducer) => ({ reducer })),
    { images },
  );
  return results.map(({ kl }, index) => {
    const flops = countGraphFlops(model.network, reducers[index]) / flopsPerGflop;
    return `${(kl ?? NaN).toFixed(4)} (${flops.toFixed(3)})`;
  });
}
