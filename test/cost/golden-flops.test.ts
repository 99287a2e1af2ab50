/**
 * FLOPs and their prices in the golden cases. The prices can be seen alone in proxies whose kept
 * number was not below the live one: there the loss flows through the FLOPs term only.
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countFlops, flopsPrices } from '../../src/cost/flops.ts';
import type { Network } from '../../src/networks/network.ts';
import { visionTransformer } from '../../src/networks/vision-transformer/vision-transformer.ts';
import { squareSizes } from './configurations.ts';

const golden = join(dirname(process.env['DIFFRATE_DATA'] ?? '../shared/data'), 'golden');

interface GoldenCase {
  readonly model: { img_size: number; embed_dim: number; depth: number; num_heads: number; num_classes: number };
  readonly schedules: { prune_kept: number[]; merge_kept: number[]; flops: number }[];
  readonly train: {
    prune_kept: number[];
    merge_kept: number[];
    flops: number;
    lambda_flops: number;
    target_gflops: number;
  };
  readonly trajectory: { steps: { prune_kept: number[]; merge_kept: number[]; gflops: number }[] };
}

interface Entry {
  readonly dtype: string;
  readonly data_offsets: [number, number];
}

/** Reads tensors of a safetensors file as numbers. */
function tensorsOf(path: string): (name: string) => number[] {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<string, Entry>;
  return (name) => {
    const entry = header[name];
    if (entry === undefined) throw new Error(`no ${name}`);
    const data = Uint8Array.from(bytes.subarray(start + entry.data_offsets[0], start + entry.data_offsets[1])).buffer;
    return entry.dtype === 'F32' ? [...new Float32Array(data)] : [...new BigInt64Array(data)].map(Number);
  };
}

describe.each(['deit-17tok-g1', 'deit-65tok-g4', 'mae-65tok-g4'])('golden case %s', (name) => {
  const path = join(golden, `${name}.json`);
  const here = existsSync(path);
  const load = (): GoldenCase => JSON.parse(readFileSync(path, 'utf8')) as GoldenCase;
  const networkOf = ({ model }: GoldenCase): Network =>
    visionTransformer(
      squareSizes(model.img_size, {
        width: model.embed_dim,
        depth: model.depth,
        heads: model.num_heads,
        classes: model.num_classes,
        pool: name.startsWith('mae') ? 'mean' : 'class-token',
      }),
    );

  it.skipIf(!here)('has the FLOPs of its schedules, its step and its trajectory exactly', () => {
    const golden = load();
    const network = networkOf(golden);
    const counted = (row: { prune_kept: number[]; merge_kept: number[] }): number =>
      countFlops(network, { pruneKept: row.prune_kept, mergeKept: row.merge_kept }).total;
    for (const row of [...golden.schedules, golden.train]) expect(counted(row)).toBe(row.flops);
    for (const step of golden.trajectory.steps) expect(counted(step) / 1e9).toBeCloseTo(step.gflops, 10);
  });

  it.skipIf(!here)('has the FLOPs gradient of every proxy that nothing else reaches', () => {
    const golden = load();
    const { train } = golden;
    const tensor = tensorsOf(join(dirname(path), `${name}.tensors.safetensors`));
    const kept = { pruneKept: train.prune_kept, mergeKept: train.merge_kept };
    const prices = flopsPrices(networkOf(golden), kept);
    const slope = (2 * train.lambda_flops * (train.flops / 1e9 - train.target_gflops)) / 1e9;
    let compared = 0;
    for (let block = 1; block < golden.model.depth; block++) {
      for (const proxy of ['prune', 'merge'] as const) {
        const candidates = tensor(`train.${proxy}.${block}.candidates`);
        const aloneInFlops = tensor(`train.${proxy}.${block}.grad_cls`).every((value) => value === 0);
        if (candidates.length === 1 || !aloneInFlops) continue;
        const weights = tensor(`train.${proxy}.${block}.rho_logits`).map((logit) => Math.exp(logit));
        const sum = weights.reduce((a, b) => a + b, 0);
        const mean = candidates.reduce((total, candidate, k) => total + (candidate * (weights[k] ?? 0)) / sum, 0);
        const expected = tensor(`train.${proxy}.${block}.grad`);
        const largest = Math.max(...expected.map(Math.abs));
        for (const [k, candidate] of candidates.entries()) {
          const ours = slope * (prices[block] ?? 0) * ((weights[k] ?? 0) / sum) * (candidate - mean);
          expect(Math.abs(ours - (expected[k] ?? Number.NaN))).toBeLessThan(1e-4 * largest);
        }
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(0);
  });
});
