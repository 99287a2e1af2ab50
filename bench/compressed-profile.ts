/** Times of a compressed network's nodes, from ONNX Runtime's profile. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomPixels } from '../src/evaluation/throughput.ts';
import { NetworkSession } from '../src/loading/network-session.ts';
import type { Network } from '../src/loading/network-session.ts';
import { tokenCount } from '../src/models/configuration.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import type { KeptNumbers } from '../src/reduction/schedule.ts';
import { parseProfile } from '../src/runtime/profile.ts';
import type { NodeTime } from '../src/runtime/profile.ts';
import type { SessionOptions } from '../src/runtime/runtime.ts';
import { timing } from './measurement.ts';

/** Medians over some runs of one batch, the first runs included. */
export async function profileCompressed(
  model: Network,
  schedule: KeptNumbers,
  batch: number,
  options: SessionOptions = {},
): Promise<NodeTime[]> {
  const directory = await mkdtemp(join(tmpdir(), 'diffrate-profile-'));
  try {
    const reducer = diffRate(schedule, tokenCount(model.configuration));
    const session = await NetworkSession.load(model, {
      ...options,
      reducer,
      profilePrefix: join(directory, 'profile'),
    });
    const pixels = randomPixels(model.configuration, batch, 0);
    for (let run = 0; run < timing.warmUp + timing.rounds; run++) await session.run(pixels);
    session.endProfiling();
    await session.dispose();
    const [file = ''] = await readdir(directory);
    return parseProfile(await readFile(join(directory, file), 'utf8'), file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
