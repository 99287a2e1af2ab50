/** Which share of a compressed forward pass goes into sorting, pruning and merging. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokenCount } from '../src/models/configuration.ts';
import { NetworkSession } from '../src/loading/network-session.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import { parseProfile, scopeShare } from '../src/runtime/profile.ts';
import type { NodeTime } from '../src/runtime/profile.ts';
import { loadDeitTiny, pixelsFor, publishedSchedule, timing, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

/** DeiT-T with the published 0.8 schedule, batches 16 and 1. */
export const reductionShare: Measurement = {
  name: 'reduction-share',
  description:
    'share of the compressed forward pass in sorting, pruning and merging (published 0.8 G schedule), DeiT-T',
  needs: [weightsFile],
  async run() {
    const lines: string[] = [];
    for (const batch of [16, 1]) {
      const nodes = await profile(batch);
      const parts = ['sort', 'gather', 'merge'].map((scope) => `${scope} ${percent(scopeShare(nodes, scope))}`);
      lines.push(
        `batch ${batch}: ${percent(scopeShare(nodes, 'reduction'))} (${parts.join(', ')}; medians of ${timing.rounds} runs)`,
      );
    }
    return lines;
  },
};

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

async function profile(batch: number): Promise<NodeTime[]> {
  const model = await loadDeitTiny();
  const directory = await mkdtemp(join(tmpdir(), 'diffrate-profile-'));
  try {
    const reducer = diffRate(publishedSchedule(), tokenCount(model.configuration));
    const session = await NetworkSession.load(model, { reducer, profilePrefix: join(directory, 'profile') });
    const pixels = pixelsFor(model, batch).data as Float32Array;
    for (let run = 0; run < timing.warmUp + timing.rounds; run++) await session.run(pixels);
    session.endProfiling();
    await session.dispose();
    const [file = ''] = await readdir(directory);
    return parseProfile(await readFile(join(directory, file), 'utf8'), file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
