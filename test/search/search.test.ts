/** Whole searches of a small random network on generated images. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultBlockOverhead } from '../../src/cost/block-overhead.ts';
import { flopsCost } from '../../src/cost/flops-cost.ts';
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { progressFile } from '../../src/files/progress-file.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { DiffrateError } from '../../src/errors.ts';
import type { Evaluator } from '../../src/execution/evaluator.ts';
import type { StepResult } from '../../src/execution/gradient-step.ts';
import { LocalEvaluator } from '../../src/execution/local-evaluator.ts';
import type { LocalEvaluatorOptions } from '../../src/execution/local-evaluator.ts';
import { parseSchedule, serializeSchedule } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { searchSpace } from '../../src/reduction/search-space.ts';
import { validateSchedule } from '../../src/reduction/validate-schedule.ts';
import type { PresetName } from '../../src/search/presets.ts';
import type { SearchOptions, SearchOutcome, SearchPhase, SearchProgress } from '../../src/search/search-options.ts';
import { searchSchedule } from '../../src/search/search.ts';
import { writeRandomImages } from '../evaluation/random-images.ts';
import { smallConfiguration, smallNetwork } from '../evaluation/small-network.ts';
import { smallModel } from '../small-networks.ts';
import { stepCost } from './step-cost.ts';

const model = smallNetwork();
const { network } = model;
const cost = flopsCost(network);
/** Without the last block, whose patches are not read. */
const range = cost.reachable(searchSpace(network));
const gflops = (value: number) => ({ value, unit: 'GFLOPs' });
const targetGflops = 0.65 * cost.baseline;
const count = 12;

let root = '';
let labelled: ImageSource;
/** No labels, and one image that is none. */
let damaged: ImageSource;

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
  images: preset === 'paper' ? labelled : damaged,
  target: gflops(targetGflops),
  preset,
  steps: preset === 'paper' ? 8 : 30,
  batchSize: preset === 'paper' ? 20 : 4,
  seed: 3,
  threads: 1,
  runtime: nodeRuntime,
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
  await expect(stopped).rejects.toThrow(/The search was stopped .*`resume: true`/);
}

const refusal = async (options: SearchOptions): Promise<DiffrateError> => {
  const error: unknown = await searchSchedule(options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DiffrateError);
  return error as DiffrateError;
};

describe('what choosing and merging takes in a block', () => {
  it('is refused where it is no number of GFLOPs', async () => {
    for (const blockOverhead of [-1, NaN, Infinity]) {
      const error = await refusal(optionsFor('small-data', { blockOverhead }));
      expect(error.message).toBe(
        `The search's blockOverhead must be a number of GFLOPs, 0 or more, not ${blockOverhead}.`,
      );
    }
  });
});

describe.each(['small-data', 'paper'] as const)('a search with the preset %s', (preset) => {
  let unbroken: SearchOutcome;
  beforeAll(async () => {
    unbroken = await searchSchedule(optionsFor(preset));
  });

  it('gives a schedule that fits the network', () => {
    const { schedule, history } = unbroken;
    expect(() => validateSchedule(schedule, network)).not.toThrow();
    expect(schedule.target).toBe(targetGflops);
    expect(schedule.gflops).toBeCloseTo(cost.value(schedule), 8);
    expect(schedule.createdBy).toContain(`preset ${preset}`);
    expect(unbroken.blockOverhead).toBe(preset === 'paper' ? 0 : defaultBlockOverhead);
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
    const options = optionsFor(preset, { progress: progressFile(checkpoint) });
    await stoppedAt(options, 'gradients', 3);
    expect(existsSync(checkpoint)).toBe(true);
    await stoppedAt({ ...options, resume: true }, 'gradients', 2);
    const outcome = await searchSchedule({ ...options, resume: true });
    expect(result(outcome)).toEqual(result(unbroken));
    // It stays until the schedule is in its place, and a search that goes on from there is done at
    // once.
    const again: SearchProgress[] = [];
    const repeated = await searchSchedule({ ...options, resume: true }, (progress) => again.push(progress));
    expect(result(repeated)).toEqual(result(unbroken));
    expect(again).toEqual([]);
  });

  it('stopped at its last step ends as an unbroken one', async () => {
    const options = optionsFor(preset, { progress: progressFile(join(root, `${preset}.last`)) });
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
    const options = optionsFor('small-data', { progress: progressFile(join(root, `local.${move}`)) });
    await stoppedAt(options, 'local search', move);
    await stoppedAt({ ...options, resume: true }, 'local search', 1);
    expect(result(await searchSchedule({ ...options, resume: true }))).toEqual(result(unbroken));
  });
});

describe('a search by another evaluator', () => {
  it('asks for gradients and losses by number alone, and gives the same schedule', async () => {
    const calls: string[] = [];
    const createEvaluator = async (asked: LocalEvaluatorOptions): Promise<Evaluator> => {
      // Nothing of what is asked for depends on how the answers are computed.
      const own = await LocalEvaluator.create(asked);
      return {
        gradient: (kept, batch) => {
          calls.push(`gradient ${batch}`);
          // As if it had been sent elsewhere and back.
          return own.gradient(JSON.parse(JSON.stringify(kept)), batch);
        },
        calibrate: (looks, onBatch) => {
          calls.push(`calibrate ${looks}`);
          return own.calibrate(looks, onBatch);
        },
        losses: (kept, look) => {
          calls.push(`losses ${look}`);
          return own.losses(JSON.parse(JSON.stringify(kept)), look);
        },
        lead: (kept) => {
          calls.push('lead');
          own.lead(JSON.parse(JSON.stringify(kept)));
        },
        skipped: [],
        get waitingMilliseconds(): number {
          return own.waitingMilliseconds;
        },
        dispose: () => {
          calls.push('dispose');
          return own.dispose();
        },
      };
    };
    const plain = await searchSchedule(optionsFor('small-data'));
    const outcome = await searchSchedule(optionsFor('small-data', { createEvaluator }));
    expect(result(outcome)).toEqual(result(plain));
    expect(calls.slice(0, 31)).toEqual([...Array.from({ length: 30 }, (_, step) => `gradient ${step}`), 'calibrate 8']);
    expect(calls.slice(31, -1).every((call) => /^(losses \d|lead)$/.test(call))).toBe(true);
    expect(calls.at(-1)).toBe('dispose');
  });

  it('says so in a sentence where that fails with an error of its own', async () => {
    const cause = new TypeError('no other machine');
    const { message } = await refusal(
      optionsFor('small-data', { createEvaluator: () => Promise.reject(cause), steps: 1 }),
    );
    expect(message).toBe('The evaluator of the search failed (no other machine): see the cause of this error.');
  });

  it('frees it where the search fails', async () => {
    let disposed = 0;
    const createEvaluator = async (asked: LocalEvaluatorOptions): Promise<Evaluator> => {
      const own = await LocalEvaluator.create(asked);
      const nothing: StepResult = { loss: NaN, gradients: [] };
      return {
        gradient: () => Promise.resolve(nothing),
        calibrate: (looks) => own.calibrate(looks),
        losses: (kept, look) => own.losses(kept, look),
        lead: (kept) => own.lead(kept),
        skipped: [],
        waitingMilliseconds: 0,
        dispose: () => {
          disposed++;
          return own.dispose();
        },
      };
    };
    const { message } = await refusal(optionsFor('small-data', { createEvaluator }));
    expect(message).toContain('The loss of step 0 is not a number');
    expect(disposed).toBe(1);
  });
});

describe('a search of another cost', () => {
  const own = stepCost(searchSpace(network), 4);
  const options = (changes: Partial<SearchOptions> = {}): SearchOptions =>
    optionsFor('small-data', { cost: own, target: { value: 80.5, unit: 'beats' }, ...changes });

  it('ends within it, whose unit every number has', async () => {
    const reports: SearchProgress[] = [];
    const { schedule, history, unit } = await searchSchedule(options(), (progress) => reports.push(progress));
    expect(unit).toBe('beats');
    expect(new Set(reports.map((report) => report.unit))).toEqual(new Set(['beats']));
    expect(own.value(schedule)).toBeLessThanOrEqual(80.5);
    expect(schedule.cost).toEqual({ unit: 'beats', value: own.value(schedule), target: 80.5 });
    expect(schedule.target).toBe('80.5 beats');
    expect(schedule.gflops).toBeCloseTo(cost.value(schedule), 8);
    expect(() => validateSchedule(schedule, network)).not.toThrow();
    for (const entry of history.filter(({ phase }) => phase === 'local search'))
      expect(entry.cost).toBeLessThanOrEqual(80.5);
    expect(parseSchedule(serializeSchedule(schedule), 'it')).toEqual(schedule);
  });

  it('stopped in either phase ends as an unbroken one', async () => {
    const unbroken = await searchSchedule(options());
    for (const [phase, report] of [['gradients', 7] as const, ['local search', 2] as const]) {
      const checkpoint = join(root, `beats.${report}`);
      await stoppedAt(options({ progress: progressFile(checkpoint) }), phase, report);
      expect(result(await searchSchedule(options({ progress: progressFile(checkpoint), resume: true })))).toEqual(
        result(unbroken),
      );
    }
  });

  it('is not continued with one of another size, though the target is the same', async () => {
    const checkpoint = join(root, 'beats.other');
    await stoppedAt(options({ progress: progressFile(checkpoint) }), 'gradients', 1);
    const finer = stepCost(searchSpace(network), 3);
    const scaled = { ...finer, value: (kept: KeptNumbers) => 0.8 * finer.value(kept), baseline: 0.8 * finer.baseline };
    const { message } = await refusal(options({ progress: progressFile(checkpoint), resume: true, cost: scaled }));
    expect(message).toMatch(
      /belongs to another search \(cost: \S+ beats uncompressed instead of \S+ beats uncompressed\)/,
    );
  });
});

describe('a search without a local search', () => {
  it('tells what it left out and how long it waited', async () => {
    const outcome = await searchSchedule(optionsFor('paper', { images: damaged, targets: 'teacher', steps: 2 }));
    expect(outcome.skipped.map(({ file }) => file)).toEqual(['005b.png']);
    expect(outcome.waitingShare).toBeGreaterThan(0);
    expect(outcome.waitingShare).toBeLessThanOrEqual(1);
  });
});

describe('a search that cannot be', () => {
  it('says which costs are in reach', async () => {
    for (const wanted of [0, 1e-9, cost.baseline, 5, NaN]) {
      const { message } = await refusal(optionsFor('small-data', { target: gflops(wanted) }));
      expect(message).toContain('is out of reach for small');
      expect(message).toMatch(/from \S+ to below \S+ GFLOPs\.$/);
      const [min, max] = (/from (\S+) to below (\S+) GFLOPs/.exec(message) ?? []).slice(1).map(Number);
      // Rounded into the range: what the sentence names can be asked for.
      expect(min).toBeGreaterThanOrEqual(range.min);
      expect(min).toBeLessThan(1.01 * range.min);
      expect(max).toBeLessThanOrEqual(range.max);
      expect(max).toBeGreaterThan(0.99 * range.max);
    }
  });

  it('says so of a cost that is in reach of the sum over blocks only: the last one keeps the class token alone', async () => {
    for (const target of [{ ratio: 0.97 }, gflops(0.97 * cost.baseline), { ratio: range.max / cost.baseline }]) {
      const { message } = await refusal(optionsFor('small-data', { target }));
      expect(message).toContain('is out of reach for small');
    }
    // As published the last block is searched, too.
    const { schedule } = await searchSchedule(optionsFor('paper', { target: { ratio: 0.97 }, steps: 1 }));
    expect(schedule.target).toBeCloseTo(0.97 * cost.baseline, 6);
  });

  it('names the unit where a target has another one than the cost', async () => {
    const asked = { value: 12, unit: 'ms' };
    const { message } = await refusal(optionsFor('small-data', { target: asked }));
    expect(message).toBe('The target is 12 ms but the cost of this search is in GFLOPs: give the target in GFLOPs.');
    const own = stepCost(searchSpace(network), 4);
    const refused = await refusal(optionsFor('small-data', { target: gflops(targetGflops), cost: own }));
    expect(refused.message).toMatch(/^The target is \S+ GFLOPs but the cost of this search is in beats: give/);
    const { message: range } = await refusal(optionsFor('small-data', { target: { ratio: 0.97 }, cost: own }));
    expect(range).toMatch(/^A cost of \S+ beats is out of reach for small \(\S+ beats uncompressed\); .* beats\.$/);
  });

  it.each(['small-data', 'paper'] as const)('names the folder without labels: %s', async (preset) => {
    const { message } = await refusal(optionsFor(preset, { images: damaged, targets: 'labels' }));
    expect(message).toContain(join(root, 'damaged'));
    expect(message).toContain('compare with the uncompressed network');
  });

  it('names the label out of range', async () => {
    const images = labelled.images.map((image, index) => (index === 7 ? { ...image, label: 7 } : image));
    const { message } = await refusal(optionsFor('paper', { images: { ...labelled, images } }));
    expect(message).toContain('007.png');
    expect(message).toMatch(/\b7\b/);
  });

  it('refuses labels as targets of an encoder without a head, which is searched by its features', async () => {
    const encoder = smallModel({ ...smallConfiguration, classes: 0 }, 1, 'encoder');
    const options = optionsFor('small-data', { model: encoder, steps: 2, images: labelled });
    const { message } = await refusal({ ...options, targets: 'labels' });
    expect(message).toContain('Labels are no targets of featureDistance');
    const { schedule, history } = await searchSchedule(options);
    expect(cost.value(schedule)).toBeLessThanOrEqual(targetGflops);
    expect(history.at(-1)?.loss).toBeGreaterThan(0);
  });

  it('follows a recipe that is changed, says so, and does not continue with another', async () => {
    const changes = { refinement: undefined, merging: 'similarity' } as const;
    const checkpoint = join(root, 'changed');
    const options = optionsFor('small-data', { steps: 6, changes, progress: progressFile(checkpoint) });
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
    await stoppedAt(optionsFor('small-data', { progress: progressFile(checkpoint) }), 'gradients', 1);
    const before = readFileSync(checkpoint, 'utf8');
    const others: Partial<SearchOptions>[] = [
      { seed: 9 },
      { model: smallNetwork(5) },
      // What an edited preprocessor_config.json would change.
      { model: { ...model, preprocessing: { ...model.preprocessing, mean: [0.4, 0.5, 0.5] } } },
      { images: { ...labelled, identity: () => Promise.resolve('elsewhere') } },
    ];
    for (const other of others) {
      const { message } = await refusal(
        optionsFor('small-data', { progress: progressFile(checkpoint), resume: true, ...other }),
      );
      expect(message).toContain('belongs to another search');
    }
    expect(readFileSync(checkpoint, 'utf8')).toBe(before);
  });
});

describe('options without types', () => {
  const forms = 'give { ratio: 0.65 }, or a value with its unit such as { value: 0.8, unit: "GFLOPs" }';
  it.each([
    ['model', { model: undefined }, 'The search has no model: give it among its options.'],
    ['images', { images: undefined }, 'The search has no images: give it among its options.'],
    ['runtime', { runtime: undefined }, 'The search has no runtime: give it among its options.'],
    [
      'a name for a model',
      { model: 'deit' },
      'The model of the search must be a model, which loadModel and modelFromFiles give.',
    ],
    [
      'a list for a source',
      { images: [] },
      'The images of the search must be an image source, which openImages and memoryImages give.',
    ],
    [
      'a name for an objective',
      { objective: 'kl' },
      'The objective of the search must be an objective, which objectiveFor gives by its name.',
    ],
    [
      'a number for a store',
      { progress: 5 },
      'The progress of the search must be a store with read, write and remove.',
    ],
    ['no target', { target: undefined }, `The search has no target: ${forms}.`],
    ['a number for a target', { target: 0.65 }, `The target of the search is 0.65: ${forms}.`],
    ['half a target', { target: { value: 0.8 } }, `The target of the search is {"value":0.8}: ${forms}.`],
    [
      'two targets',
      { target: { ratio: 0.5, value: 1 } },
      'The target of the search has a ratio and a value: give one of them.',
    ],
    [
      'a ratio in percent',
      { target: { ratio: 65 } },
      "The target's ratio must be a number above 0 and below 1, not 65: 0.65 keeps 65 % of the cost.",
    ],
    [
      'text for a ratio',
      { target: { ratio: '0.65' } },
      'The target\'s ratio must be a number above 0 and below 1, not "0.65": 0.65 keeps 65 % of the cost.',
    ],
    ['preset', { preset: 'fast' }, 'There is no preset "fast": use small-data, quick or paper.'],
    ['steps', { steps: 0 }, "The search's steps must be a whole number from 1, not 0."],
    ['seed', { seed: 'one' }, "The search's seed must be a whole number from 0, not one."],
  ])('are told of: %s', async (_, changes, sentence) => {
    const { message, name } = await refusal({ ...optionsFor('small-data'), ...changes } as SearchOptions);
    expect([name, message]).toEqual(['UsageError', sentence]);
  });
});

describe('a runtime that fails in the middle', () => {
  it.each([3, 30, 70])('at run %i ends the search in its words, and every session is let go of', async (last) => {
    let [runs, open] = [0, 0];
    const failing: Runtime = {
      async load(network, session) {
        const loaded = await nodeRuntime.load(network, session);
        open += 1;
        return {
          run(feeds, outputs) {
            runs += 1;
            if (runs === last) throw new DiffrateError('The device was lost.');
            return loaded.run(feeds, outputs);
          },
          async dispose() {
            open -= 1;
            await loaded.dispose();
          },
          endProfiling: () => loaded.endProfiling(),
        };
      },
    };
    const progress = progressFile(join(root, `failing.${last}`));
    const { message } = await refusal(optionsFor('small-data', { steps: 6, runtime: failing, progress }));
    expect(message).toBe('The device was lost.');
    expect([runs, open]).toEqual([last, 0]);
  });
});

describe('an image that cannot be decoded', () => {
  it('is left out and told of once, whichever phase meets it', async () => {
    const warnings: string[] = [];
    const checkpoint = join(root, 'skipping');
    const options = optionsFor('small-data', {
      steps: 5,
      onWarning: (message) => warnings.push(message),
      progress: progressFile(checkpoint),
    });
    const { skipped } = await searchSchedule(options);
    // Only the calibration images are read again.
    expect((await searchSchedule({ ...options, onWarning: () => {}, resume: true })).skipped).toEqual(skipped);
    expect(skipped.map(({ file }) => file)).toEqual(['005b.png']);
    const ofImages = warnings.filter((warning) => warning.includes('Cannot decode'));
    expect(ofImages).toHaveLength(1);
    expect(ofImages[0]).toContain("'005b.png'");
  });

  it('ends a strict search', async () => {
    const { message } = await refusal(optionsFor('small-data', { strict: true }));
    expect(message).toContain("Cannot decode the image '005b.png'");
    expect(message).toContain('replace or remove it');
  });
});
