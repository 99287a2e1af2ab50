/** Whole searches of a small random network on generated images. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flopsCost } from '../../src/cost/flops-cost.ts';
import { openImageFolder } from '../../src/data/image-folder.ts';
import type { ImageFolder } from '../../src/data/image-folder.ts';
import { DiffrateError } from '../../src/errors.ts';
import { scheduleTarget } from '../../src/models/schedule-target.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';
import type {
  PresetName,
  SearchOptions,
  SearchOutcome,
  SearchPhase,
  SearchProgress,
} from '../../src/search/search-options.ts';
import { searchSchedule } from '../../src/search/search.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { smallConfiguration, smallNetwork } from '../evaluation/small-network.ts';

const model = smallNetwork();
const cost = flopsCost(smallConfiguration);
const targetGflops = 0.65 * cost.baseline;
const count = 12;

let root = '';
let labelled: ImageFolder;
/** No labels, and one image that is none. */
let damaged: ImageFolder;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-search-'));
  const labels = Array.from({ length: count }, (_, index) => index % smallConfiguration.classes);
  await writeRandomImages(join(root, 'labelled'), count, labels);
  labelled = await openImageFolder(join(root, 'labelled'));
  await writeRandomImages(join(root, 'damaged'), count);
  writeFileSync(join(root, 'damaged', '005b.png'), 'no image');
  damaged = await openImageFolder(join(root, 'damaged'));
});

afterAll(() => rmSync(root, { recursive: true }));

const optionsFor = (preset: PresetName, changes: Partial<SearchOptions> = {}): SearchOptions => ({
  model,
  folder: preset === 'paper' ? labelled : damaged,
  targetGflops,
  preset,
  steps: preset === 'paper' ? 8 : 30,
  batchSize: preset === 'paper' ? 20 : 4,
  seed: 3,
  threads: 1,
  resume: false,
  ...changes,
});

/** Everything of an outcome that must not depend on how fast it came. */
const result = ({ schedule, history, steps }: SearchOutcome) => ({ schedule, history, steps });

/** A search that is stopped at the nth report of a phase. */
async function stoppedAt(options: SearchOptions, phase: SearchPhase, report: number): Promise<void> {
  const controller = new AbortController();
  let reports = 0;
  const stopped = searchSchedule({ ...options, signal: controller.signal }, (progress) => {
    if (progress.phase === phase && ++reports === report) controller.abort();
  });
  await expect(stopped).rejects.toThrow(DiffrateError);
  await expect(stopped).rejects.toThrow(/The search was stopped .*--resume/);
}

const refusal = async (options: SearchOptions): Promise<DiffrateError> => {
  const error: unknown = await searchSchedule(options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DiffrateError);
  return error as DiffrateError;
};

describe.each(['small-data', 'paper'] as const)('a search with the preset %s', (preset) => {
  let unbroken: SearchOutcome;
  beforeAll(async () => {
    unbroken = await searchSchedule(optionsFor(preset));
  });

  it('gives a schedule that fits the network', () => {
    const { schedule, history } = unbroken;
    expect(() => validateSchedule(schedule, scheduleTarget(smallConfiguration))).not.toThrow();
    expect(schedule.target).toBe(targetGflops);
    expect(schedule.gflops).toBeCloseTo(cost.value(schedule), 8);
    expect(schedule.createdBy).toContain(`preset ${preset}`);
    expect(schedule.merging).toBe(preset === 'paper' ? undefined : 'patches');
    expect(history.filter(({ phase }) => phase === 'gradients')).toHaveLength(preset === 'paper' ? 8 : 30);
    for (const { loss } of history) expect(Number.isFinite(loss)).toBe(true);
    if (preset === 'paper') return;
    expect(cost.value(schedule)).toBeLessThanOrEqual(targetGflops);
    const local = history.filter(({ phase }) => phase === 'local search');
    expect(local.length).toBeGreaterThan(3);
    expect(local.at(-1)?.loss).toBeLessThanOrEqual(local[0]?.loss as number);
  });

  it('gives the same for the same seed', async () => {
    expect(result(await searchSchedule(optionsFor(preset)))).toEqual(result(unbroken));
    const other = await searchSchedule(optionsFor(preset, { seed: 4 }));
    expect(other.history).not.toEqual(unbroken.history);
  });

  it('stopped among its steps, once and again, ends as an unbroken one', async () => {
    const checkpoint = join(root, `${preset}.steps`);
    const options = optionsFor(preset, { checkpoint });
    await stoppedAt(options, 'gradients', 3);
    expect(existsSync(checkpoint)).toBe(true);
    await stoppedAt({ ...options, resume: true }, 'gradients', 2);
    const outcome = await searchSchedule({ ...options, resume: true });
    expect(result(outcome)).toEqual(result(unbroken));
    // It stays until the schedule is in its place, and a search that goes on from there is done at once.
    const again: SearchProgress[] = [];
    const repeated = await searchSchedule({ ...options, resume: true }, (progress) => again.push(progress));
    expect(result(repeated)).toEqual(result(unbroken));
    expect(again).toEqual([]);
  });

  it('stopped at its last step ends as an unbroken one', async () => {
    const options = optionsFor(preset, { checkpoint: join(root, `${preset}.last`) });
    await stoppedAt(options, 'gradients', preset === 'paper' ? 8 : 30);
    expect(result(await searchSchedule({ ...options, resume: true }))).toEqual(result(unbroken));
  });
});

describe('a local search', () => {
  let unbroken: SearchOutcome;
  beforeAll(async () => {
    unbroken = await searchSchedule(optionsFor('small-data'));
  });

  it.each([1, 2, 4])('stopped inside at move %i ends as an unbroken one', async (move) => {
    const options = optionsFor('small-data', { checkpoint: join(root, `local.${move}`) });
    await stoppedAt(options, 'local search', move);
    await stoppedAt({ ...options, resume: true }, 'local search', 1);
    expect(result(await searchSchedule({ ...options, resume: true }))).toEqual(result(unbroken));
  });
});

describe('a search that cannot be', () => {
  it('says which costs are in reach', async () => {
    for (const wanted of [0, 1e-9, cost.baseline, 5, NaN]) {
      const { message } = await refusal(optionsFor('small-data', { targetGflops: wanted }));
      expect(message).toContain('is out of reach for small');
      expect(message).toContain(`from ${cost.range.min.toFixed(3)} to below ${cost.range.max.toFixed(3)} GFLOPs.`);
    }
  });

  it.each(['small-data', 'paper'] as const)('names the folder without labels: %s', async (preset) => {
    const { message } = await refusal(optionsFor(preset, { folder: damaged, targets: 'labels' }));
    expect(message).toContain(join(root, 'damaged'));
    expect(message).toContain('`--targets teacher`');
  });

  it('names the label out of range', async () => {
    const images = labelled.images.map((image, index) => (index === 7 ? { ...image, label: 7 } : image));
    const { message } = await refusal(optionsFor('paper', { folder: { ...labelled, images } }));
    expect(message).toContain('007.png');
    expect(message).toMatch(/\b7\b/);
  });

  it('refuses an encoder without a head', async () => {
    const encoder = { ...model, configuration: { ...smallConfiguration, classes: 0 } };
    expect((await refusal(optionsFor('small-data', { model: encoder }))).message).toContain('has no classifier');
  });

  it('follows a recipe that is changed, says so, and does not continue with another', async () => {
    const changes = { refinement: undefined, merging: 'similarity' } as const;
    const checkpoint = join(root, 'changed');
    const options = optionsFor('small-data', { steps: 6, changes, checkpoint });
    const { schedule, history } = await searchSchedule(options);
    expect(history.map(({ phase }) => phase)).toEqual(Array.from({ length: 6 }, () => 'gradients'));
    expect(schedule.merging).toBeUndefined();
    expect(schedule.createdBy).toContain('preset small-data changed');
    await stoppedAt(options, 'gradients', 2);
    const { message } = await refusal({ ...options, changes: undefined, resume: true });
    expect(message).toContain('belongs to another search');
  });

  it('does not continue from another search, and leaves that one’s state alone', async () => {
    const checkpoint = join(root, 'other');
    await stoppedAt(optionsFor('small-data', { checkpoint }), 'gradients', 1);
    const before = readFileSync(checkpoint, 'utf8');
    const others: Partial<SearchOptions>[] = [
      { seed: 9 },
      { model: smallNetwork(5) },
      { folder: { ...labelled, directory: join(root, 'elsewhere') } },
    ];
    for (const other of others) {
      const { message } = await refusal(optionsFor('small-data', { checkpoint, resume: true, ...other }));
      expect(message).toContain('belongs to another search');
    }
    expect(readFileSync(checkpoint, 'utf8')).toBe(before);
  });
});

describe('an image that cannot be decoded', () => {
  it('is left out and told of once, whichever phase meets it', async () => {
    const warnings: string[] = [];
    const checkpoint = join(root, 'skipping');
    const options = optionsFor('small-data', {
      steps: 5,
      onWarning: (message) => warnings.push(message),
      checkpoint,
    });
    const { skipped } = await searchSchedule(options);
    // Only the calibration images are read again.
    expect((await searchSchedule({ ...options, onWarning: () => {}, resume: true })).skipped).toEqual(skipped);
    expect(skipped.map(({ file }) => file)).toEqual(['005b.png']);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("'005b.png'");
  });

  it('ends a strict search', async () => {
    const { message } = await refusal(optionsFor('small-data', { strict: true }));
    expect(message).toContain("Cannot decode the image '005b.png'");
    expect(message).toContain('replace or remove it');
  });
});
