/** What a program in Node asks of every entry. It is compiled, and never run. */
import {
  compress,
  DiffrateError,
  evaluateModel,
  exportModel,
  loadModel,
  measureThroughput,
  nodeRuntime,
  objectiveFor,
  openImages,
  progressFile,
  readScheduleFile,
  searchFront,
  searchSchedule,
  writeFront,
  writeScheduleFile,
} from 'diffrate';
import type {
  CompressionResult,
  CompressOptions,
  CompressProgress,
  Device,
  ExportDtype,
  ImageInput,
  MeasuredPrecision,
  NodeSearchOptions,
} from 'diffrate';
import { LocalEvaluator } from 'diffrate/search';
import {
  compareMethods,
  comparisonReport,
  drawPictures,
  encodePng,
  parseMethodList,
  rankSchedules,
} from 'diffrate/study';
import type { Comparison, ComparisonOptions, Provenance, Ranking, RankingOptions, ReportPage } from 'diffrate/study';
import { recipes, train, writeTrainedModel } from 'diffrate/training';
import type { TrainingOptions, TrainingOutcome, TrainingRecipe } from 'diffrate/training';
import { createWebRuntime } from 'diffrate/runtime/web';
import { CountingEvaluator, described, MemoryStore, ownGraph, ownImages, quadraticCost, rewritten } from './parts.ts';

/** Options as a server reads them: any of them may be missing. */
interface Wish {
  readonly images?: string;
  readonly ratio?: number;
  readonly seed?: number;
  readonly device?: Device;
  readonly signal?: AbortSignal;
}

/** The main job with everything that may be given. */
export async function compressed(wish: Wish): Promise<CompressionResult> {
  const dtypes: ExportDtype[] = ['fp32', 'fp16', 'q8'];
  const images: ImageInput | undefined = wish.images;
  const options: CompressOptions = {
    model: await loadModel('vit_demo_patch2_28', { weights: wish.images, hubOptions: { offline: true } }),
    images,
    target: wish.ratio === undefined ? { value: 2.9, unit: 'GFLOPs' } : { ratio: wish.ratio },
    directory: 'out',
    dtypes,
    seed: wish.seed,
    device: wish.device,
    signal: wish.signal,
    runtime: nodeRuntime,
    createEvaluator: (wanted) => CountingEvaluator.create(wanted),
    onWarning: (message) => process.stderr.write(`${message}\n`),
  };
  const told = (progress: CompressProgress): string =>
    progress.stage === 'search' ? `${progress.phase} ${progress.loss.toFixed(3)}` : progress.stage;
  const result = await compress(options, (progress) => console.log(told(progress)));
  const remarks = result.precisions.map(
    ({ dtype, failure }: MeasuredPrecision) => `${dtype}: ${failure ?? 'measured'}`,
  );
  if (remarks.length === 0) throw new DiffrateError('No file was measured.');
  return result;
}

/** A search with parts of one's own, and what becomes of its schedule. */
export async function searched(wish: Wish): Promise<number> {
  const model = await loadModel('vit_demo_patch2_28');
  const progress = new MemoryStore();
  const options: NodeSearchOptions = {
    model,
    images: ownImages(),
    target: { value: 1000, unit: 'pairs' },
    cost: quadraticCost(model),
    objective: objectiveFor(model.network.answers),
    seed: wish.seed,
    progress,
    resume: true,
    signal: wish.signal,
    createEvaluator: LocalEvaluator.create,
  };
  const { schedule } = await searchSchedule(options);
  await progress.remove();
  await writeScheduleFile('schedule.json', rewritten(JSON.stringify(schedule)).schedule);
  const source = await openImages(wish.images ?? 'images', { limit: 10 });
  const front = await searchFront({
    model,
    images: [{ data: Buffer.alloc(3), width: 1, height: 1 }],
    front: { from: 0.5, to: 0.9, points: 3 },
    progress: progressFile('front.progress'),
  });
  await writeFront('front', front);
  await exportModel({ model, schedule: await readScheduleFile('schedule.json'), directory: 'out' });
  const { kl } = await evaluateModel(model, { images: source, schedule, threads: 1, device: wish.device });
  const [run] = await measureThroughput(model, { schedule, runtime: createWebRuntime() });
  console.log(described(model, objectiveFor(model.network.answers)), ownGraph().nodes.length);
  return (kl ?? 0) + (run?.speedup ?? 1);
}

/** Methods side by side, and pictures. */
export async function compared(options: ComparisonOptions, provenance: Provenance): Promise<ReportPage> {
  const comparison: Comparison = await compareMethods({ ...options, methods: parseMethodList('tome,evit') });
  const ranking: Ranking = await rankSchedules(options.model, {} as RankingOptions);
  console.log(ranking);
  const [series] = await drawPictures({} as Parameters<typeof drawPictures>[0]);
  if (series !== undefined) await encodePng(series.input);
  return comparisonReport(comparison, provenance);
}

/** Training with a recipe that differs in one number. */
export async function trained(options: Omit<TrainingOptions, 'recipe'>): Promise<TrainingOutcome> {
  const recipe: TrainingRecipe = { ...recipes.finetune, epochs: 2 };
  const outcome = await train({ ...options, recipe }, ({ step, steps }) => console.log(step / steps));
  await writeTrainedModel({} as Parameters<typeof writeTrainedModel>[0]);
  return outcome;
}
