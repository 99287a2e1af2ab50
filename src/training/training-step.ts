/**
 * Runs the training graph over weights in memory:
 * ONNX Runtime reads their vector and writes into the gradients', without copies.
 */
import type { Tensor } from '../graph/tensor.ts';
import type { DroppedBranch } from '../nn/drop-path.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, RuntimeTensor, Session, SessionOptions } from '../runtime/runtime.ts';
import type { PatchDropout } from './patch-dropout.ts';
import { gradientName, trainingGraph, trainingModel } from './training-graph.ts';
import type { TrainingGraph, TrainingGraphOptions } from './training-graph.ts';
import { partOf } from './trained-parameters.ts';
import type { ParameterLayout } from './trained-parameters.ts';

/** A loaded training graph. */
export class TrainingStep {
  /** Branches that may be dropped, in the order in which masks are drawn. */
  readonly branches: readonly DroppedBranch[];
  /** Patch dropout, where there is any. */
  readonly patches: PatchDropout | undefined;
  /** Inputs that logistic noise is drawn for, `['batch', …]`. */
  readonly noise: readonly Tensor[];
  /** Gradients of the last run, in the parameters' layout. */
  readonly gradient: Float32Array;
  readonly #session: Session;
  readonly #outputs: Readonly<Record<string, RuntimeTensor>>;
  readonly #weights: Readonly<Record<string, RuntimeTensor>>;
  readonly #loss: Float32Array;

  private constructor(
    session: Session,
    { branches, patches, noise }: Pick<TrainingGraph, 'branches' | 'patches' | 'noise'>,
    layout: ParameterLayout,
    weights: Float32Array,
    gradient: Float32Array,
  ) {
    this.#session = session;
    this.branches = branches;
    this.patches = patches;
    this.noise = noise;
    this.gradient = gradient;
    this.#loss = new Float32Array(1);
    this.#weights = Object.fromEntries(
      layout.parameters.map((parameter) => [parameter.name, floats(partOf(weights, parameter), parameter.shape)]),
    );
    const outputs: Record<string, RuntimeTensor> = { loss: floats(this.#loss, []) };
    for (const parameter of layout.parameters) {
      outputs[gradientName(parameter.name)] = floats(partOf(this.gradient, parameter), parameter.shape);
    }
    this.#outputs = outputs;
  }

  /**
   * Builds and loads the graph.
   * @param weights vector of all parameters, which every run reads anew.
   * @param gradient vector that every run writes into.
   */
  static async load(
    runtime: Runtime,
    options: TrainingGraphOptions,
    weights: Float32Array,
    session: SessionOptions = {},
    gradient: Float32Array = new Float32Array(options.layout.length),
  ): Promise<TrainingStep> {
    const graph = trainingGraph(options);
    const loaded = await runtime.load(trainingModel(graph, options.layout), session);
    return new TrainingStep(loaded, graph, options.layout, weights, gradient);
  }

  /**
   * One forward and backward pass; gradients are in `gradient` afterwards.
   * @param pixels `[B, channels, height, width]`
   * @param targets `[B, T]` of the objective.
   * @param masks of drop path, one `[B]` per branch.
   * @param keptPatches of patch dropout, `[B, K, 1]`.
   * @param noise one array per input of `noise`.
   * @returns the mean of the objective's loss, plus the terms of a method.
   */
  async run(
    pixels: RuntimeTensor,
    targets: RuntimeTensor,
    masks: readonly Float32Array[],
    keptPatches?: BigInt64Array,
    noise: readonly Float32Array[] = [],
  ): Promise<number> {
    const feeds: Record<string, RuntimeTensor> = { ...this.#weights, pixel_values: pixels, targets };
    for (const [index, { mask }] of this.branches.entries()) {
      const values = masks[index] ?? new Float32Array(pixels.shape[0] ?? 0).fill(1);
      if (mask.source.kind === 'input') feeds[mask.source.name] = floats(values, [values.length, 1, 1]);
    }
    if (this.patches !== undefined && keptPatches !== undefined) {
      const shape = [pixels.shape[0] ?? 0, this.patches.kept, 1];
      feeds['kept_patches'] = { type: 'int64', shape, data: keptPatches };
    }
    for (const [index, { source, shape }] of this.noise.entries()) {
      const values = noise[index];
      if (source.kind !== 'input' || values === undefined) continue;
      feeds[source.name] = floats(values, [pixels.shape[0] ?? 0, ...shape.slice(1).map(Number)]);
    }
    await this.#session.run(feeds, this.#outputs);
    return this.#loss[0] ?? Number.NaN;
  }

  /** Ends profiling, where `profilePrefix` was given. */
  endProfiling(): void {
    this.#session.endProfiling();
  }

  /** Frees the graph. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }
}
