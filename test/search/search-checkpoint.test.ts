/** The search's state on disk: whole or not at all, and only for the search it belongs to. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { readFrontCheckpoint } from '../../src/search/front/front-checkpoint.ts';
import { removeCheckpoint, writeCheckpoint } from '../../src/search/checkpoint-file.ts';
import { readSearchCheckpoint } from '../../src/search/search-checkpoint.ts';
import type { SearchCheckpoint } from '../../src/search/search-checkpoint.ts';

const checkpoint: SearchCheckpoint = {
  identity: { model: 'small', budget: '0.001 GFLOPs', seed: '3' },
  step: 7,
  loss: 0.1 + 0.2,
  learner: { value: [1 / 3, Math.PI, 5e-324], temperature: 6 },
  localSearch: {
    merged: [9, 4],
    pruned: [1, 0],
    step: 4,
    passes: 88,
    sweep: 1,
    moves: 3,
    accepted: 1,
    tried: ['{"pruneKept":[3],"mergeKept":[2]}'],
  },
  seconds: 1.5,
  history: [{ phase: 'gradients', step: 0, loss: 1e-17, cost: 0.5 }],
};

let root = '';
const path = (): string => join(root, 'search.checkpoint');

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-checkpoint-'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('checkpoints', () => {
  it('come back as they were, and leave nothing beside them', async () => {
    await writeCheckpoint<SearchCheckpoint>(path(), { ...checkpoint, step: 3 });
    await writeCheckpoint(path(), checkpoint);
    expect(await readSearchCheckpoint(path(), checkpoint.identity)).toEqual(checkpoint);
    expect(readdirSync(root)).toEqual(['search.checkpoint']);
    await removeCheckpoint(path());
    expect(await readSearchCheckpoint(path(), checkpoint.identity)).toBeUndefined();
    await removeCheckpoint(path());
  });

  it('make the folder that they are for', async () => {
    const inside = join(root, 'new', 'folder', 'search.checkpoint');
    await writeCheckpoint(inside, checkpoint);
    expect(await readSearchCheckpoint(inside, checkpoint.identity)).toEqual(checkpoint);
  });

  it('of another search are refused, with both ways out', async () => {
    await writeCheckpoint(path(), checkpoint);
    const refused = readSearchCheckpoint(path(), { ...checkpoint.identity, budget: '3 ms' });
    await expect(refused).rejects.toThrow(DiffrateError);
    await expect(refused).rejects.toThrow(
      /belongs to another search \(budget: 0\.001 GFLOPs instead of 3 ms\); start again without --resume, or with the/,
    );
  });

  it('of another search name every part that differs, and those that one of them has not', async () => {
    await writeCheckpoint(path(), checkpoint);
    const refused = readSearchCheckpoint(path(), {
      model: 'small',
      budget: '0.001 GFLOPs',
      seed: '4',
      device: 'webgpu',
    });
    await expect(refused).rejects.toThrow('(seed: 3 instead of 4, device: none instead of webgpu)');
    const without = readSearchCheckpoint(path(), { model: 'small', seed: '3' });
    await expect(without).rejects.toThrow('(budget: 0.001 GFLOPs instead of none)');
  });

  it('of an earlier version, which said in one text what was asked for, are refused with a sentence', async () => {
    const earlier = {
      ...checkpoint,
      identity: 'small, 0.001 GFLOPs, preset small-data, targets teacher, 150 steps of 16, seed 3, on cpu',
      history: [{ phase: 'gradients', step: 0, loss: 1, gflops: 0.5 }],
    };
    writeFileSync(path(), JSON.stringify(earlier));
    for (const read of [readSearchCheckpoint, readFrontCheckpoint]) {
      const refused = read(path(), checkpoint.identity);
      await expect(refused).rejects.toThrow(DiffrateError);
      await expect(refused).rejects.toThrow(
        `The search's checkpoint '${path()}' is of an earlier version, which cannot be continued: remove it and start again.`,
      );
    }
  });

  it.each([
    ['no JSON', '{"identity":'],
    ['nothing', ''],
    ['another thing', '[1, 2]'],
    ['a missing member', JSON.stringify({ ...checkpoint, learner: undefined })],
    ['a fractional step', JSON.stringify({ ...checkpoint, step: 1.5 })],
    ['a negative step', JSON.stringify({ ...checkpoint, step: -1 })],
    ['text for numbers', JSON.stringify({ ...checkpoint, learner: { value: ['a'] } })],
    ['half a local search', JSON.stringify({ ...checkpoint, localSearch: { merged: [1] } })],
  ])('with %s in it are called damaged', async (_, text) => {
    writeFileSync(path(), text);
    const refused = readSearchCheckpoint(path(), checkpoint.identity);
    await expect(refused).rejects.toThrow(DiffrateError);
    await expect(refused).rejects.toThrow(/search\.checkpoint' is damaged; start again without --resume/);
  });

  it('that cannot be written or read say where', async () => {
    writeFileSync(join(root, 'file'), '');
    const written = writeCheckpoint(join(root, 'file', 'search.checkpoint'), checkpoint);
    await expect(written).rejects.toThrow(DiffrateError);
    await expect(written).rejects.toThrow(/search's checkpoint .*file.*cannot be written/);
    // A folder has the name: the new file is whole, but cannot take its place.
    mkdirSync(join(root, 'folder'));
    await expect(writeCheckpoint(join(root, 'folder'), checkpoint)).rejects.toThrow(/cannot be written/);
    expect(readdirSync(root).filter((name) => name.endsWith('.partial'))).toEqual([]);
    await expect(readSearchCheckpoint(root, checkpoint.identity)).rejects.toThrow(/cannot be read/);
  });
});
