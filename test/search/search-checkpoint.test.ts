/** A search's progress: whole or not at all, and only for the search that it belongs to. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { progressFile } from '../../src/files/progress-file.ts';
import type { ProgressStore } from '../../src/files/progress-store.ts';
import { requireStepsWithin, resumedFrom, writeCheckpoint } from '../../src/search/checkpoint.ts';
import type { Identity } from '../../src/search/checkpoint.ts';
import { frontCheckpoint } from '../../src/search/front/front-checkpoint.ts';
import { PacedCheckpoint } from '../../src/search/paced-checkpoint.ts';
import { searchCheckpoint } from '../../src/search/search-checkpoint.ts';
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

const store = (): ProgressStore => progressFile(path());

const resumed = (progress: ProgressStore, identity: Identity = checkpoint.identity) =>
  resumedFrom({ progress, resume: true }, identity, searchCheckpoint);

describe('checkpoints', () => {
  it('come back as they were, and leave nothing beside them', async () => {
    await writeCheckpoint(store(), { ...checkpoint, step: 3 } as SearchCheckpoint, 'search');
    await writeCheckpoint(store(), checkpoint, 'search');
    expect(await resumed(store())).toEqual(checkpoint);
    expect(readdirSync(root)).toEqual(['search.checkpoint']);
    await store().remove();
    expect(await resumed(store())).toBeUndefined();
    await store().remove();
  });

  it.each([
    ['a time before it began', { seconds: -1 }],
    ['a sweep that is none', { localSearch: { ...checkpoint.localSearch, sweep: 0.5 } }],
    ['passes below none', { localSearch: { ...checkpoint.localSearch, passes: -3 } }],
  ])('are damaged with %s', async (_, part) => {
    await writeCheckpoint(store(), { ...checkpoint, ...part } as SearchCheckpoint, 'search');
    await expect(resumed(store())).rejects.toThrow(/progress of the search in .* is damaged: begin anew/);
  });

  it('are damaged with more steps than the search has', () => {
    expect(() => requireStepsWithin(checkpoint, 7)).not.toThrow();
    expect(() => requireStepsWithin(undefined, 7)).not.toThrow();
    expect(() => requireStepsWithin(checkpoint, 6, 'x')).toThrow(
      "The progress of the search in 'x' is damaged (step 7 of 6): begin anew with `resume: false`.",
    );
  });

  it('make the folder that they are for', async () => {
    const inside = progressFile(join(root, 'new', 'folder', 'search.checkpoint'));
    await writeCheckpoint(inside, checkpoint, 'search');
    expect(await resumed(inside)).toEqual(checkpoint);
  });

  it('are neither continued nor lost where nobody said what to do with them', async () => {
    await writeCheckpoint(store(), checkpoint, 'search');
    const unsaid = resumedFrom({ progress: store() }, checkpoint.identity, searchCheckpoint);
    await expect(unsaid).rejects.toThrow(DiffrateError);
    await expect(unsaid).rejects.toThrow(
      /search\.checkpoint' holds progress of this very search: continue it with `resume: true`, or begin anew/,
    );
    expect(await resumedFrom({ progress: store(), resume: false }, checkpoint.identity, searchCheckpoint)).toBe(
      undefined,
    );
    expect(await resumed(store())).toEqual(checkpoint);
  });

  it('that are not there are told of where they were to be continued', async () => {
    const warnings: string[] = [];
    const onWarning = (message: string): number => warnings.push(message);
    const missing = progressFile(join(root, 'missing'));
    expect(await resumedFrom({ progress: missing, onWarning }, {}, searchCheckpoint)).toBeUndefined();
    expect(warnings).toEqual([]);
    expect(await resumedFrom({ progress: missing, resume: true, onWarning }, {}, searchCheckpoint)).toBeUndefined();
    expect(warnings).toEqual([`'${missing.name}' holds no progress of a search: it begins at its start.`]);
  });

  it('of another search are refused, with both ways out', async () => {
    await writeCheckpoint(store(), checkpoint, 'search');
    const refused = resumed(store(), { ...checkpoint.identity, budget: '3 ms' });
    await expect(refused).rejects.toThrow(DiffrateError);
    await expect(refused).rejects.toThrow(
      /belongs to another search \(budget: 0\.001 GFLOPs instead of 3 ms\): begin anew with `resume: false`, or use the/,
    );
  });

  it('of another search name every part that differs, and those that one of them has not', async () => {
    await writeCheckpoint(store(), checkpoint, 'search');
    const other = { model: 'small', budget: '0.001 GFLOPs', seed: '4', device: 'webgpu' };
    await expect(resumed(store(), other)).rejects.toThrow('(seed: 3 instead of 4, device: none instead of webgpu)');
    const without = resumed(store(), { model: 'small', seed: '3' });
    await expect(without).rejects.toThrow('(budget: 0.001 GFLOPs instead of none)');
  });

  it('of an earlier version, which said in one text what was asked for, are refused with a sentence', async () => {
    const earlier = {
      ...checkpoint,
      identity: 'small, 0.001 GFLOPs, preset small-data, targets teacher, 150 steps of 16, seed 3, on cpu',
      history: [{ phase: 'gradients', step: 0, loss: 1, gflops: 0.5 }],
    };
    writeFileSync(path(), JSON.stringify(earlier));
    const options = { progress: store(), resume: true };
    for (const resume of [
      () => resumedFrom(options, checkpoint.identity, searchCheckpoint),
      () => resumedFrom(options, checkpoint.identity, frontCheckpoint),
    ]) {
      const refused = resume();
      await expect(refused).rejects.toThrow(DiffrateError);
      await expect(refused).rejects.toThrow(
        `in '${path()}' is of an earlier version, which cannot be continued: begin anew with \`resume: false\`.`,
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
    const refused = resumed(store());
    await expect(refused).rejects.toThrow(DiffrateError);
    await expect(refused).rejects.toThrow(/search\.checkpoint' is damaged: begin anew with `resume: false`/);
  });

  it('that cannot be written or read say where', async () => {
    writeFileSync(join(root, 'file'), '');
    const written = writeCheckpoint(progressFile(join(root, 'file', 'search.checkpoint')), checkpoint, 'search');
    await expect(written).rejects.toThrow(DiffrateError);
    await expect(written).rejects.toThrow(/progress of the search cannot be kept in '.*file.*'/);
    // A folder has the name: the new file is whole, but cannot take its place.
    mkdirSync(join(root, 'folder'));
    await expect(writeCheckpoint(progressFile(join(root, 'folder')), checkpoint, 'search')).rejects.toThrow(
      /cannot be kept/,
    );
    expect(readdirSync(root).filter((name) => name.endsWith('.partial'))).toEqual([]);
    await expect(resumed(progressFile(root))).rejects.toThrow(/cannot be read/);
  });
});

describe('a store that is a class', () => {
  it('is called with itself', async () => {
    class Kept implements ProgressStore {
      readonly name = 'a field';
      text: string | undefined;
      read(): Promise<string | undefined> {
        return Promise.resolve(this.text);
      }
      write(text: string): Promise<void> {
        this.text = text;
        return Promise.resolve();
      }
      remove(): Promise<void> {
        this.text = undefined;
        return Promise.resolve();
      }
    }
    const kept = new Kept();
    await writeCheckpoint(kept, checkpoint, 'search');
    expect(await resumed(kept)).toEqual(checkpoint);
  });
});

describe('a store that is full', () => {
  const full: ProgressStore = {
    name: 'memory card',
    read: () => Promise.resolve(undefined),
    write: () => Promise.reject(new Error('no space left')),
    remove: () => Promise.resolve(),
  };
  const sentence =
    "The progress of the search cannot be kept in 'memory card' (no space left): make room there, or keep it elsewhere.";

  it('costs the progress and not the search', async () => {
    const warnings: string[] = [];
    const paced = new PacedCheckpoint({ progress: full, onWarning: (message) => warnings.push(message) });
    await paced.finish(checkpoint);
    expect(warnings).toEqual([sentence]);
  });

  it('is told of by a search that is stopped', async () => {
    const paced = new PacedCheckpoint({ progress: full, signal: AbortSignal.abort() });
    await expect(paced.settle(() => checkpoint, 'after step 3 of 8')).rejects.toThrow(
      `The search was stopped after step 3 of 8 and cannot be continued from there. ${sentence}`,
    );
  });
});
