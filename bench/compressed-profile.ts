/** Times of a compressed network's nodes, from ONNX Runtime's profile. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomPixels } from '../src/evaluation/throughput.ts';
import { NetworkSession } from '../src/execution/network-session.ts';
import type { Model } from '../src/networks/model.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../src/reduction/schedule.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { parseProfile } from '../src/runtime/profile.ts';
import type { NodeTime } from '../src/runtime/profile.ts';
import type { SessionOptions } from '../src/runtime/runtime.ts';
import { timing } from './measurement.ts';

/** Medians over some runs of one batch, the first runs included. */
export async function profileCompressed(
  model: Model,
  schedule: KeptNumbers,
  batch: number,
  options: SessionOptions = {},
): Promise<NodeTime[]> {
  const directory = await mkdtemp(join(tmpdir(), 'diffrate-profile-'));
  try {
    const reducer = diffRate(schedule, model.network);
    const session = await NetworkSession.load(model, {
      ...options,
      runtime: nodeRuntime,
      reducer,
      profilePrefix: join(directory, 'profile'),
    });
    const pixels = randomPixels(model.network, batch, 0);
    for (let run = 0; run < timing.warmUp + timing.rounds; run++) await session.run(pixels);
    session.endProfiling();
    await session.dispose();
    const [file = ''] = await readdir(directory);
    return parseProfile(await readFile(join(directory, file), 'utf8'), file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
