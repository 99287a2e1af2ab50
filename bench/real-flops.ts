/**
 * Every method that needs no training at equal *real* FLOPs: those that its graph computes, its
 * own products included. What is written in `docs/selection.md` of who is ahead is this table.
 */
import { spreadSample } from '../src/data/image-sample.ts';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { flopsPerGflop } from '../src/cost/flops.ts';
import { countGraphFlops } from '../src/cost/graph-flops.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import { measureEach } from '../src/evaluation/throughput.ts';
import { readScheduleFile } from '../src/exporting/schedule-file.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import { namedShape } from '../src/networks/model.ts';
import type { NetworkShape } from '../src/reduction/network-shape.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import { buildMethod, parseMethod, reductionMethods } from '../src/reduction/methods/registry.ts';
import type { TokenReducer } from '../src/reduction/token-reducer.ts';
import { dataPath, loadDeitTiny, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const folder = 'imagenet-val';
const limit = Number(process.env['METHODS_LIMIT'] ?? '650');
const listed = (name: string, fallback: string): string[] =>
  (process.env[name] ?? fallback).split(',').filter((entry) => entry !== '');
const budgets = listed('METHODS_BUDGETS', '0.9,0.8,0.65').map(Number);
const rounds = Number(process.env['METHODS_ROUNDS'] ?? '9');
/** Files of searched schedules, which stand below the methods. */
const searched = listed('METHODS_SCHEDULES', '');

const halvings = 24;

/** A method at a budget. */
interface Entry {
  readonly name: string;
  readonly reducer: TokenReducer;
}

/** Tables, one per budget. */
export const realFlops: Measurement = {
  name: 'real-flops',
  description: `KL, agreement and speed-up of every training-free method at equal real GFLOPs, DeiT-T, ${limit} images of ${folder} (METHODS_BUDGETS, METHODS_LIMIT, METHODS_ROUNDS and METHODS_SCHEDULES choose others)`,
  needs: [weightsFile, folder],
  async run() {
    const model = await loadDeitTiny();
    const shape = namedShape(model.network, model.name);
    const lines: string[] = [];
    for (const budget of budgets) {
      const entries = namesOf().flatMap((name): Entry[] => fitted(name, shape, model, budget) ?? []);
      lines.push(...(await tableOf(`${budget} GFLOPs`, model, entries)));
    }
    const entries = await Promise.all(
      searched.map(async (path): Promise<Entry> => {
        const schedule = await readScheduleFile(path);
        return { name: path, reducer: diffRate(schedule, model.network) };
      }),
    );
    if (entries.length > 0) lines.push(...(await tableOf('searched schedules', model, entries)));
    return lines;
  },
};

/** Methods with a parameter that sets their FLOPs, and the rule in its uniform form. */
const namesOf = (): string[] => [
  ...reductionMethods
    // A graph whose token numbers differ per image has no FLOPs of its own.
    .filter(({ trained, ragged, knob }) => trained !== true && ragged !== true && knob !== undefined)
    .map(({ name }) => name),
  'constant:selection=dissimilarity',
  'uniform:selection=dissimilarity',
];

/** The method at the most FLOPs within the budget; nothing where it cannot get there. */
function fitted(name: string, shape: NetworkShape, model: LoadedModel, budget: number): Entry[] | undefined {
  const { knob } = parseMethod(name).method;
  if (knob === undefined) return undefined;
  const at = (value: number): Entry | undefined => {
    const given = `${name}${name.includes(':') ? ',' : ':'}${knob.key}=${value}`;
    const built = buildMethod(parseMethod(given), shape);
    const flops = countGraphFlops(model.network, built.reducer) / flopsPerGflop;
    return flops <= budget ? { name: built.name, reducer: built.reducer } : undefined;
  };
  const [least, most] = [knob.min(shape), knob.max(shape)];
  let [cheap, dear] = knob.rising ? [least, most] : [most, least];
  let best = at(cheap);
  if (best === undefined) return undefined;
  for (let turn = 0; turn < halvings; turn++) {
    const middle = knob.whole === true ? Math.round((cheap + dear) / 2) : Number(((cheap + dear) / 2).toFixed(5));
    if (middle === cheap || middle === dear) break;
    const found = at(middle);
    if (found === undefined) {
      dear = middle;
    } else {
      cheap = middle;
      best = found;
    }
  }
  return [best];
}

async function tableOf(title: string, model: LoadedModel, entries: readonly Entry[]): Promise<string[]> {
  const all = await openImageFolder(dataPath(folder));
  const images = { ...all, images: spreadSample(all, limit) };
  const variants = entries.map(({ reducer }) => ({ reducer }));
  const quality = await evaluateVariants(model, variants, { images });
  const onFailure = (_: number, error: unknown): void => {
    throw error;
  };
  const speed = await measureEach(model, variants, { batches: [1, 16], rounds, onFailure });
  const rows = entries.map(({ name, reducer }, index) => {
    const flops = countGraphFlops(model.network, reducer) / flopsPerGflop;
    const { kl, agreement } = quality[index] ?? {};
    const [single, batch] = speed[index] ?? [];
    const kls = kl ?? NaN;
    return {
      kl: kls,
      cells: [
        name,
        flops.toFixed(3),
        kls.toFixed(4),
        `${(agreement ?? NaN).toFixed(1)} %`,
        ...[single, batch].map((run) => `${run?.speedup.toFixed(2)}×`),
      ],
    };
  });
  return [
    `| ${title} | real GFLOPs | KL | agreement | batch 1 | batch 16 |`,
    '|---|---|---|---|---|---|',
    ...rows.sort((a, b) => a.kl - b.kl).map(({ cells }) => `| ${cells.join(' | ')} |`),
  ];
}
