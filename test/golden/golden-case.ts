/**
 * One golden case on disk: `NAME.json` and `NAME.tensors.safetensors`, with the weights in
 * `NAME.model.safetensors` beside them or those of another case.
 */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffrateError, messageOf } from '../../src/errors.ts';
import { readSafetensors } from '../../src/checkpoints/safetensors-file.ts';
import { float32Values } from '../../src/checkpoints/weights.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import type { Network } from '../../src/networks/network.ts';
import { smallNetwork } from '../small-networks.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';

/** Kept numbers and their FLOPs, as the authors' code counts them. */
export interface GoldenSchedule {
  readonly prune_kept: number[];
  readonly merge_kept: number[];
  readonly flops: number;
}

/** One search step. */
export interface GoldenTrain extends GoldenSchedule {
  readonly granularity: number;
  readonly lambda_flops: number;
  readonly target_gflops: number;
  readonly loss_cls: number;
  readonly loss: number;
}

/** Kept numbers and losses used in one step of a trajectory. */
export interface GoldenStep {
  readonly step: number;
  readonly prune_kept: number[];
  readonly merge_kept: number[];
  readonly gflops: number;
  readonly loss_cls: number;
  readonly loss: number;
}

/** What `NAME.json` says; parts may be missing. */
export interface GoldenDescription {
  readonly name: string;
  readonly model: {
    img_size: number;
    patch_size: number;
    embed_dim: number;
    depth: number;
    num_heads: number;
    num_classes: number;
    pool: string;
  };
  readonly schedules?: GoldenSchedule[];
  readonly train?: GoldenTrain;
  readonly trajectory?: { readonly lr: number; readonly steps: GoldenStep[] };
  readonly methods?: GoldenMethod[];
  /**
   * The case whose weights and pixels this one is of: its name, or a path from this case's folder.
   */
  readonly uses_weights_of?: string;
}

/** Another method with its parameters by the names of its authors' code. */
export interface GoldenMethod {
  readonly method: string;
  readonly [parameter: string]: unknown;
}

/** A case that this check knows, with its network and tensors. */
export interface GoldenCase {
  readonly description: GoldenDescription;
  readonly network: Network;
  readonly weights: Weights;
  readonly tensors: Weights;
}

/** Something that is not checked, and why. */
export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** What a folder holds. */
export interface GoldenFolder {
  readonly cases: readonly GoldenCase[];
  /** Names of cases on real weights and images (`check-real.ts`). */
  readonly real: readonly string[];
  readonly skipped: readonly Skipped[];
}

/**
 * Cases of a folder: those that can be checked, and those of an unknown kind.
 * @throws {DiffrateError} where there is none of a known kind.
 */
export async function findGoldenCases(directory: string): Promise<GoldenFolder> {
  const files = await readdir(directory).catch((error: unknown) => {
    throw new DiffrateError(
      `The golden folder "${directory}" cannot be read (${messageOf(error)}); name a folder of NAME.json cases.`,
    );
  });
  const names = files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
  const cases: GoldenCase[] = [];
  const real: string[] = [];
  const skipped: Skipped[] = [];
  for (const name of names) {
    const description = JSON.parse(await readFile(join(directory, `${name}.json`), 'utf8')) as GoldenDescription;
    if (isRealCase(description)) {
      real.push(name);
      continue;
    }
    const origin = description.uses_weights_of ?? name;
    const model = join(directory, `${origin}.model.safetensors`);
    const isKnown = description.schedules !== undefined || description.methods !== undefined;
    if (!isKnown || !existsSync(model)) {
      const reason = isKnown ? `${model} is not there` : 'a kind of case that this check does not know yet';
      skipped.push({ name, reason });
      continue;
    }
    const own = await readSafetensors(join(directory, `${name}.tensors.safetensors`));
    const tensors = origin === name ? own : withPixels(own, join(directory, `${origin}.tensors.safetensors`));
    cases.push({
      description,
      network: networkOf(description),
      weights: await readSafetensors(model),
      tensors: await tensors,
    });
  }
  if (cases.length + real.length === 0)
    throw new DiffrateError(`The golden folder "${directory}" holds no case of a known kind.`);
  return { cases, real, skipped };
}

/** Tensors with the pixels of another case. */
async function withPixels(own: Weights, origin: string): Promise<Weights> {
  const pixels = (await readSafetensors(origin)).get('pixels');
  return pixels === undefined ? own : new Map([...own, ['pixels', pixels]]);
}

/** Metrics of a published network, uncompressed and by schedule. */
const isRealCase = (description: object): boolean => 'baseline' in description;

/** A tensor of a case. */
export function goldenTensor({ tensors, description }: GoldenCase, key: string): RuntimeTensor {
  const tensor = tensors.get(key);
  if (tensor === undefined) throw new DiffrateError(`The golden case ${description.name} has no tensor "${key}".`);
  return { type: 'float32', shape: tensor.shape, data: float32Values(tensor) };
}

function networkOf({ model }: GoldenDescription): Network {
  return smallNetwork({
    inputSize: { height: model.img_size, width: model.img_size },
    patchSize: model.patch_size,
    width: model.embed_dim,
    depth: model.depth,
    heads: model.num_heads,
    hiddenWidth: 4 * model.embed_dim,
    classes: model.num_classes,
    pool: model.pool === 'class-token' ? 'class-token' : 'mean',
  });
}
