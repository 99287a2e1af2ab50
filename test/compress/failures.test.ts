/** What can go wrong in a compression: one sentence each, and nothing finished is lost. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compress } from '../../src/compress/compress.ts';
import type { CompressOptions, CompressProgress, OpenedCompression } from '../../src/compress/compress-options.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { memoryImages } from '../../src/data/memory-images.ts';
import type { MemoryImage } from '../../src/data/memory-images.ts';
import type { ImageInput } from '../../src/data/open-images.ts';
import { DiffrateError } from '../../src/errors.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { randomValues } from '../random-network.ts';
import { changedHead } from './changed-head.ts';
import { changedWriter } from './demo.ts';
import { publishedOptions, smallOptions } from './small.ts';

let root = '';
let out = '';
let options: Omit<OpenedCompression, 'directory'>;
const images = mkdtempSync(join(tmpdir(), 'diffrate-failures-images-'));
beforeAll(async () => {
  options = await smallOptions(images);
});
afterAll(() => rmSync(images, { recursive: true, force: true }));
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'diffrate-failures-'));
  out = join(root, 'out');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The one sentence that a compression ends with. */
async function sentenceOf(changes: Partial<CompressOptions>, onProgress?: (report: CompressProgress) => void) {
  const error: unknown = await compress({ ...options, directory: out, ...changes }, onProgress).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DiffrateError);
  const { message } = error as DiffrateError;
  expect(message).toMatch(/^[A-Z][^\n]*\.$/);
  return message;
}

/** A runtime that fails at the n-th run after the folder is there. */
function failingRuntime(first: number): Runtime {
  let runs = 0;
  return {
    load: async (model, settings) => {
      const session = await nodeRuntime.load(model, settings);
      return {
        run: (feeds, outputs) => {
          if (existsSync(out) && ++runs >= first) throw new Error('the device\nwas lost');
          return session.run(feeds, outputs);
        },
        dispose: () => session.dispose(),
        endProfiling: () => session.endProfiling(),
      };
    },
  };
}

const complete = ['README.md', 'config.json', 'onnx', 'preprocessor_config.json', 'schedule.json'];

describe('compress', () => {
  it.each([
    ['while answers are compared', 2],
    ['while time is measured', 6],
  ])('leaves a complete folder where the runtime fails %s', async (_, first) => {
    const sentence = await sentenceOf({ runtime: failingRuntime(first) });
    expect(sentence).toContain(
      `The model folder ${out} is complete but could not be measured (The runtime cannot run the model (the device was lost)`,
    );
    expect(sentence).toContain(`the search is kept in ${out}.checkpoint`);
    expect(readdirSync(out).sort()).toEqual(complete);
    expect(readdirSync(root).sort()).toEqual(['out', 'out.checkpoint']);
  });

  it('records a precision that cannot be loaded, or whose answers are no numbers', async () => {
    const write = changedWriter((name, bytes) => {
      if (name === 'model_quantized.onnx') return bytes.subarray(0, bytes.length / 2);
      return name === 'model_fp16.onnx' ? changedHead(bytes, Number.NaN) : undefined;
    });
    const { precisions, evaluation } = await compress({
      ...options,
      directory: out,
      dtypes: ['fp32', 'fp16', 'q8'],
      write,
    });
    expect(evaluation?.after.kl).toEqual(expect.any(Number));
    const [fp32, fp16, q8] = precisions;
    expect(fp32).toMatchObject({ failure: null, remark: null });
    expect(fp16).toMatchObject({ evaluation: null, runs: [] });
    expect(fp16?.remark).toMatch(/^fp16 could not be measured on this device: .* no finite numbers/);
    expect(q8).toMatchObject({ evaluation: null, runs: [] });
    expect(q8?.remark).toMatch(/^q8 could not be measured on this device: ONNX Runtime cannot load the model on "cpu"/);
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    for (const precision of [fp16, q8]) expect(card).toContain(precision?.remark ?? 'a remark');
    expect(readdirSync(root)).toEqual(['out']);
  });

  it.each([
    ['on images', () => options],
    ['on random pixels where there are none', () => ({ ...publishedOptions(), images: undefined })],
  ])('refuses answers in fp32 that are no numbers, %s', async (_, changes) => {
    const write = changedWriter((name, bytes) => (name === 'model.onnx' ? changedHead(bytes, Number.NaN) : undefined));
    const sentence = await sentenceOf({ ...changes(), write });
    expect(sentence).toMatch(
      /^The model folder .*out is complete but could not be measured \(The network gave answers/,
    );
    expect(readdirSync(out).sort()).toEqual(complete);
  });

  it('keeps the search where the folder cannot be written after it', async () => {
    const write = async (path: string): Promise<void> => {
      writeFileSync(path, 'half of');
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    const sentence = await sentenceOf({ write });
    expect(sentence).toMatch(/^The search is done but its result could not be written \(.*no space left on device/);
    expect(sentence).toContain(`it is kept in ${out}.checkpoint`);
    expect(readdirSync(root)).toEqual(['out.checkpoint']);
    const before = readFileSync(`${out}.checkpoint`, 'utf8');
    const gradients: CompressProgress[] = [];
    const { schedule, history } = await compress({ ...options, directory: out, resume: true }, (report) => {
      if (report.stage === 'search') gradients.push(report);
    });
    expect(gradients).toEqual([]);
    expect(history).toEqual((JSON.parse(before) as { history: unknown }).history);
    expect(schedule.gflops).toBeGreaterThan(0);
    expect(readdirSync(root)).toEqual(['out']);
  });

  it('refuses a folder that is somebody else’s before it searches', async () => {
    mkdirSync(out);
    writeFileSync(join(out, 'config.json'), '{"model_type": "bert"}');
    const reports: CompressProgress[] = [];
    expect(await sentenceOf({}, (report) => reports.push(report))).toMatch(/did not write \(config\.json\)/);
    expect(reports).toEqual([]);
    expect(readdirSync(root)).toEqual(['out']);
  });

  it('refuses a second run into the same folder at the same time', async () => {
    const runs = await Promise.allSettled([
      compress({ ...options, directory: out }),
      compress({ ...options, directory: `${out}/` }),
    ]);
    expect(runs.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = runs.find((run) => run.status === 'rejected');
    expect(refused?.reason).toBeInstanceOf(DiffrateError);
    expect(String(refused?.reason)).toMatch(new RegExp(`This process \\(${process.pid}\\) is already writing`));
    expect(readdirSync(root)).toEqual(['out']);
  });

  it('gives its figures with a warning where the model card cannot have them', async () => {
    const warnings: string[] = [];
    const card = join(out, 'README.md');
    const onWarning = (message: string): void => void warnings.push(message);
    const { runs } = await compress({ ...options, directory: out, onWarning }, ({ stage }) => {
      if (stage !== 'throughput' || !statSync(card).isFile()) return;
      rmSync(card);
      mkdirSync(join(card, 'in the way'), { recursive: true });
    });
    expect(runs).toHaveLength(2);
    expect(warnings).toEqual([
      expect.stringMatching(/^There are only 8 images to search on: /),
      expect.stringMatching(
        /^The model card .*README\.md cannot be written .*; its figures are in the result alone\.$/,
      ),
    ]);
    expect(readdirSync(root)).toEqual(['out']);
  });

  it('ends in words where it is stopped while it measures', async () => {
    const controller = new AbortController();
    const sentence = await sentenceOf({ signal: controller.signal }, ({ stage }) => {
      if (stage === 'throughput') controller.abort();
    });
    expect(sentence).toMatch(/is complete but could not be measured \(It was stopped\)/);
    expect(readdirSync(root).sort()).toEqual(['out', 'out.checkpoint']);
  });

  it('says of figures that they are of images that were searched on only where they are', async () => {
    const pixels = (seed: number): MemoryImage => ({
      data: Uint8Array.from(randomValues(48, seed), (value) => 127 * (1 + value)),
      width: 4,
      height: 4,
    });
    const [first, second] = [[1, 2, 3, 4].map(pixels), [5, 6, 7, 8].map(pixels)] as const;
    const dataOf = async (images: ImageInput, evaluationImages: ImageInput): Promise<string | undefined> =>
      (await compress({ ...options, images, evaluationImages, directory: join(root, 'out') })).data;
    expect(await dataOf(first, first)).toContain('(searched on)');
    expect(await dataOf(first, second)).not.toContain('searched on');
    const source = memoryImages([...first, ...second]);
    const part = (from: number): ImageSource => ({ ...source, images: source.images.slice(from, from + 4) });
    expect(await dataOf(part(0), part(2))).toContain('(2 of them searched on)');
    expect(await dataOf(part(0), part(4))).not.toContain('searched on');
  });

  it('refuses labels, precisions and targets that cannot be before it searches', async () => {
    const { images: good } = options;
    const [first] = good?.images ?? [];
    if (good === undefined || first === undefined) throw new Error('there are images');
    const wrong = { ...good, images: [{ ...first, label: 10 }] };
    expect(await sentenceOf({ evaluationImages: wrong })).toMatch(/label 10 .* out of range/);
    expect(await sentenceOf({ dtypes: ['q4' as 'q8'] })).toMatch(/no precision "q4"/);
    expect(await sentenceOf({ target: { value: 3, unit: 'ms' } })).toMatch(/target is in ms: give it in GFLOPs/);
    expect(await sentenceOf({ target: { ratio: 0.01 } })).toMatch(/out of reach/);
    expect(await sentenceOf({ target: { ratio: 65 } })).toMatch(/ratio must be a number above 0 and below 1, not 65/);
    expect(await sentenceOf({ dtypes: 'q8' as unknown as ['q8'] })).toMatch(
      /^Precisions are a list of fp32, fp16, q8, not q8/,
    );
    expect(await sentenceOf({ dtypes: [] })).toMatch(/list of precisions is empty/);
    expect(await sentenceOf({ model: undefined as unknown as string })).toMatch(/^The compression has no model/);
    expect(await sentenceOf({ directory: undefined as unknown as string })).toMatch(
      /^The compression has no directory/,
    );
    expect(readdirSync(root)).toEqual([]);
  });
});
