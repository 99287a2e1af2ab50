/**
 * Parts of a user's own behind the interfaces of `diffrate/search`: a store, a cost, an evaluator,
 * images. Nothing of it needs a DOM or Node.
 */
import { LocalEvaluator, Looks, memoryImages, priceByDifference, reachableRange, searchSpace } from 'diffrate/search';
import type {
  BlockGradients,
  Cost,
  Evaluator,
  ImageSource,
  LocalEvaluatorOptions,
  MemoryImage,
  Objective,
  ProgressStore,
  SearchSpace,
  SkippedImage,
  StepResult,
} from 'diffrate/search';
import { compressibleBlocks, parseSchedule, serializeSchedule, smallestKept, tokenCount } from 'diffrate/networks';
import type { KeptNumbers, LoadedModel, Model, NetworkShape, Schedule } from 'diffrate/networks';
import { add, gradients, input, lower, mul, reduceSum } from 'diffrate/graph';
import type { Tensor } from 'diffrate/graph';
import { decodeModel, encodeModel, joinChunks } from 'diffrate/onnx';
import type { OnnxModel } from 'diffrate/onnx';

/** Progress in memory. */
export class MemoryStore implements ProgressStore {
  readonly name = 'memory';
  #text: string | undefined;

  read(): Promise<string | undefined> {
    return Promise.resolve(this.#text);
  }

  write(text: string): Promise<void> {
    this.#text = text;
    return Promise.resolve();
  }

  remove(): Promise<void> {
    this.#text = undefined;
    return Promise.resolve();
  }
}

/** Tokens that attention sees, squared. */
export function quadraticCost(model: Model): Cost {
  const { layout, depth } = model.network;
  const tokens = tokenCount(layout);
  const value = ({ mergeKept }: KeptNumbers): number => mergeKept.reduce((sum, kept) => sum + kept ** 2, 0);
  return {
    unit: 'pairs',
    baseline: depth * tokens ** 2,
    fixed: 0,
    value,
    price: (kept, reach) => priceByDifference(value, kept, reach, { smallest: smallestKept(layout), tokens }),
    reachable: (space: SearchSpace) => reachableRange(value, space),
  };
}

/** Asks an evaluator of this process, and counts. */
export class CountingEvaluator implements Evaluator {
  readonly #inner: Evaluator;
  asked = 0;

  constructor(inner: Evaluator) {
    this.#inner = inner;
  }

  static async create(options: LocalEvaluatorOptions): Promise<CountingEvaluator> {
    return new CountingEvaluator(await LocalEvaluator.create(options));
  }

  async gradient(kept: KeptNumbers, batch: number): Promise<StepResult> {
    this.asked += 1;
    const { loss, gradients: blocks } = await this.#inner.gradient(kept, batch);
    return { loss, gradients: blocks.map((block: BlockGradients) => ({ ...block })) };
  }

  async calibrate(looks: number, onBatch?: () => Promise<void>): Promise<Looks> {
    const found = await this.#inner.calibrate(looks, onBatch);
    return new Looks(found.images, looks);
  }

  async losses(kept: KeptNumbers, look: number): Promise<Float64Array> {
    return Float64Array.from(await this.#inner.losses(kept, look));
  }

  lead(kept: KeptNumbers): void {
    this.#inner.lead(kept);
  }

  get skipped(): readonly SkippedImage[] {
    return this.#inner.skipped;
  }

  get waitingMilliseconds(): number {
    return this.#inner.waitingMilliseconds;
  }

  dispose(): Promise<void> {
    return this.#inner.dispose();
  }
}

/** Images of bytes, one grey and one RGBA. */
export function ownImages(): ImageSource {
  const grey: MemoryImage = { data: new Uint8Array(4), width: 2, height: 2, label: 0 };
  const colour: MemoryImage = { data: new Uint8ClampedArray(16), width: 2, height: 2, label: 1, name: 'colour' };
  return memoryImages([grey, colour], 'two images');
}

/** The number of blocks whose numbers a search would learn. */
export function searchedBlocks(shape: NetworkShape): number {
  return searchSpace(shape).searched.length + compressibleBlocks(shape).filter((may) => !may).length;
}

/** Reads a schedule that a page or a server was sent, and writes it anew. */
export function rewritten(text: string): { readonly schedule: Schedule; readonly text: string } {
  const schedule = parseSchedule(text, 'the request');
  const size: number | readonly [number, number] = schedule.inputSize;
  const side = typeof size === 'number' ? size : size[0];
  const own: Schedule = { ...schedule, inputSize: [side, side], createdBy: 'a consumer', target: '12ms' };
  return { schedule: own, text: serializeSchedule(own) };
}

/** A graph of one's own with its gradient, as a file and back. */
export function ownGraph(): OnnxModel {
  const x = input('x', 'float32', ['batch', 3]);
  const loss: Tensor = reduceSum(add(mul(x, x), x), [0, 1]);
  const [gradient] = gradients(loss, [x]);
  if (gradient === undefined) throw new Error('no gradient');
  const { model, externalData } = encodeModel(lower({ loss, gradient }, [x]), 'weights.bin');
  return decodeModel(joinChunks(model), () => joinChunks(externalData));
}

/** What a loaded model says of itself. */
export function described(model: LoadedModel, objective: Objective): string {
  return `${model.name}: ${model.network.depth} blocks, ${objective.title} in ${objective.unit}`;
}
