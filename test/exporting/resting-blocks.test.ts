/** What a model card says of blocks that remove nothing. */
import { beforeAll, describe, expect, it } from 'vitest';
import { modelCard } from '../../src/exporting/model-card.ts';
import { loadModel } from '../../src/loading/load-model.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';

let model: LoadedModel;
beforeAll(async () => {
  model = await loadModel('vit_demo_patch2_28');
});

const scheduleOf = (mergeKept: readonly number[]): Schedule => ({
  model: model.name,
  inputSize: 28,
  pruneKept: [197, ...mergeKept.slice(0, -1)],
  mergeKept,
  gflops: 0.07,
  target: 0.07,
  createdBy: 'a test',
});

const cardOf = (mergeKept: readonly number[], blockOverhead?: number): string =>
  modelCard({ model, schedule: scheduleOf(mergeKept), dtypes: ['fp32'], blockOverhead });

describe('a model card', () => {
  const some = [197, 120, 120, 120, 90, 90, 90, 1];

  it('says why blocks remove nothing, where a search has decided so', () => {
    expect(cardOf(some, 0.0042)).toContain(
      'Only 2 of them merge tokens: choosing and merging takes as long in a block',
    );
    expect(cardOf([197, 90, 90, 90, 90, 90, 90, 1], 0.0042)).toContain('Only 1 of them merges tokens:');
  });

  it('says nothing of it elsewhere', () => {
    for (const card of [cardOf(some), cardOf(some, 0), cardOf([197, 180, 160, 140, 120, 100, 90, 1], 0.0042)]) {
      expect(card).not.toContain('of them merge');
    }
  });
});
