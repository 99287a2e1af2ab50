/** A front on disk: files and index, for FLOPs and for another cost. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frontIndex, writeFront } from '../../src/exporting/front-folder.ts';
import type { WrittenFront } from '../../src/exporting/front-folder.ts';
import { readScheduleFile } from '../../src/exporting/schedule-file.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { smallSchedule } from '../random-network.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-front-'));
});
afterEach(() => rm(folder, { recursive: true }));

const schedule: Schedule = { ...smallSchedule, gflops: 0.0009, target: 0.001 };
const byFlops: WrittenFront = { points: [{ ratio: 0.8, schedule, loss: 0.25 }], baseline: 0.00125, unit: 'GFLOPs' };
const oblong: Schedule = {
  ...schedule,
  inputSize: [32, 48],
  target: '12 ms',
  cost: { unit: 'ms', value: 11.75, target: 12 },
};
const byTime: WrittenFront = { points: [{ ratio: 0.8, schedule: oblong, loss: 0.25 }], baseline: 15, unit: 'ms' };

const line = async (): Promise<string[]> => (await readFile(join(folder, 'front.csv'), 'utf8')).trim().split('\r\n');

describe('the index of a front', () => {
  it('has its FLOPs', async () => {
    await writeFront(folder, byFlops);
    const index = frontIndex(byFlops);
    expect(JSON.parse(await readFile(join(folder, 'front.json'), 'utf8'))).toEqual(index);
    expect(index).toEqual({
      model: 'small-vit',
      inputSize: 32,
      baselineGflops: 0.00125,
      createdBy: 'a test',
      points: [{ ratio: 0.8, target: 0.001, gflops: 0.0009, loss: 0.25, schedule: 'schedule-0.800.json' }],
    });
    expect(await line()).toEqual(['ratio,target,gflops,loss,schedule', '0.8,0.001,0.0009,0.25,schedule-0.800.json']);
  });

  it('has another cost beside them, and height and width of an oblong network', async () => {
    await writeFront(folder, byTime);
    const index = frontIndex(byTime);
    expect(JSON.parse(await readFile(join(folder, 'front.json'), 'utf8'))).toEqual(index);
    expect(index).toMatchObject({ inputSize: [32, 48], baseline: 15, unit: 'ms' });
    expect(index).not.toHaveProperty('baselineGflops');
    expect(index.points).toEqual([
      { ratio: 0.8, target: 12, gflops: 0.0009, cost: 11.75, loss: 0.25, schedule: 'schedule-0.800.json' },
    ]);
    expect(await line()).toEqual([
      'ratio,target,gflops,cost,loss,schedule',
      '0.8,12,0.0009,11.75,0.25,schedule-0.800.json',
    ]);
    expect(await readScheduleFile(join(folder, 'schedule-0.800.json'))).toEqual(oblong);
  });
});
