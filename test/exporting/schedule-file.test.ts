import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { readScheduleFile, writeScheduleFile } from '../../src/exporting/schedule-file.ts';
import { findPublishedSchedule } from '../../src/reduction/published-schedules.ts';
import { effectiveSchedule, effectiveTokens } from '../../src/reduction/schedule.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-schedule-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('schedule files', () => {
  it('come back as written, with rising numbers lowered', async () => {
    const path = join(folder, 'new', 'schedule.json');
    const published = findPublishedSchedule('deit_tiny_patch16_224@1.0');
    await writeScheduleFile(path, published);
    const read = await readScheduleFile(path);
    const { name: _name, source: _source, ...expected } = effectiveSchedule(published);
    expect(read).toEqual(expected);
    expect(effectiveTokens(read, 197)).toEqual(effectiveTokens(published, 197));
    expect(await readdir(join(folder, 'new'))).toEqual(['schedule.json']);
  });

  it('leave neither a half file nor a changed old one when writing fails', async () => {
    const path = join(folder, 'schedule.json');
    await mkdir(join(path, 'in-the-way'), { recursive: true });
    const schedule = findPublishedSchedule('deit_tiny_patch16_224@0.6');
    await expect(writeScheduleFile(path, schedule)).rejects.toThrow(DiffrateError);
    expect(await readdir(folder)).toEqual(['schedule.json']);
    expect(await readdir(path)).toEqual(['in-the-way']);

    const file = join(folder, 'file');
    await writeFile(file, 'old');
    await expect(writeScheduleFile(join(file, 'schedule.json'), schedule)).rejects.toThrow(/cannot be written/);
    expect(await readFile(file, 'utf8')).toBe('old');
  });

  it('name the file when it is absent or no schedule', async () => {
    const absent = join(folder, 'absent.json');
    await expect(readScheduleFile(absent)).rejects.toThrow(`The schedule ${absent} cannot be read`);
    const broken = join(folder, 'broken.json');
    await writeFile(broken, '{"model": "deit');
    await expect(readScheduleFile(broken)).rejects.toThrow(`${broken} is not a schedule: it is not valid JSON`);
    await expect(readScheduleFile(broken)).rejects.toThrow(DiffrateError);
  });
});
