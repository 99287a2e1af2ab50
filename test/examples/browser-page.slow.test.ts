/**
 * The page of `examples/browser`, served by its server and opened in Chromium: it computes what
 * onnxruntime-node computes, offline.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../src/exporting/export-model.ts';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { randomModel, randomValues, smallConfiguration, smallLabels, smallSchedule } from '../random-network.ts';
import { browserPath, startBrowser } from '../report/browser.ts';
import { square } from '../../src/data/preprocessing.ts';

/** Random colours of the size that the network sees, so that nothing is resized. */
const side = smallConfiguration.inputSize.width;
const colours = Uint8Array.from(randomValues(side * side * 3, 11), (value) => (value + 1) * 127.5);

/** Resizes nothing: images of the input's size go through as they are. */
const small = randomModel();
const model = { ...small, preprocessing: { ...small.preprocessing, resize: square(side) } };

/** Probabilities of all classes for the image, by our own graph. */
async function expectedProbabilities(): Promise<number[]> {
  const { mean, std } = model.preprocessing;
  const pixels = Float32Array.from({ length: 3 * side * side }, (_, index) => {
    const channel = Math.floor(index / (side * side));
    const value = colours[(index % (side * side)) * 3 + channel] ?? 0;
    return (value / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
  });
  const session = await NetworkSession.load(model, {
    runtime: nodeRuntime,
    reducer: diffRate(smallSchedule, model.network),
  });
  const weights = Array.from(await session.run(pixels), Math.exp);
  await session.dispose();
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** Status of a raw request, whose path no client tidies up. */
async function statusOf(url: string, path: string): Promise<number | undefined> {
  const [response] = (await once(get(url, { path }), 'response')) as [{ statusCode?: number; resume: () => void }];
  response.resume();
  return response.statusCode;
}

/** The photo as PNG; sideways with an EXIF orientation that says so. */
async function photo(sideways = false): Promise<Buffer> {
  const image = sharp(Buffer.from(colours), { raw: { width: side, height: side, channels: 3 } });
  if (!sideways) return image.png().toBuffer();
  return image.rotate(270).withMetadata({ orientation: 6 }).png().toBuffer();
}

describe.skipIf(browserPath === undefined)('examples/browser', { timeout: 240_000 }, () => {
  let folder = '';
  let server: ChildProcess;
  let browser: Browser;
  let url = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diffrate-page-'));
    const unnamed = { ...model, labels: undefined };
    await exportModel({ model, schedule: smallSchedule, directory: join(folder, 'faster') });
    await exportModel({ model: unnamed, schedule: smallSchedule, directory: join(folder, 'unnamed'), dtypes: ['q8'] });
    await exportModel({ model, directory: join(folder, 'original') });
    await cp('examples/browser', folder, { recursive: true });
    await symlink(resolve('node_modules'), join(folder, 'node_modules'));
    server = spawn(process.execPath, ['serve.mjs', '0'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    url = line.toString().trim();
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    server?.kill();
    await rm(folder, { recursive: true });
  });

  /** Opens the page, which has loaded its networks. */
  async function open(query = '', prepare?: (page: Page) => Promise<void>): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 400, height: 800 } });
    // Loading the runtime takes long where other work goes on.
    page.setDefaultTimeout(100_000);
    await prepare?.(page);
    await page.goto(`${url}${query}`);
    await page.waitForFunction(() => !document.querySelector('input')?.disabled);
    return page;
  }

  /** Chooses a photo and waits until all is measured, or cannot be. */
  async function choose(page: Page, buffer: Buffer, name = 'photo.png'): Promise<string> {
    await page.setInputFiles('input', { name, mimeType: 'image/png', buffer });
    await page.waitForFunction(() => !document.querySelector('#status')?.textContent?.endsWith('…'));
    return (await page.locator('#status').textContent()) ?? '';
  }

  const cellsOf = (page: Page): Promise<string[]> => page.locator('td').allTextContents();

  it('classifies a photo as in Node, beside the original, without another host', async () => {
    const foreign: string[] = [];
    const page = await open('', async (opened) => {
      opened.on('request', (request) => {
        if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) foreign.push(request.url());
      });
    });
    const status = await choose(page, await photo());
    const cells = await cellsOf(page);
    const expected = (await expectedProbabilities())
      .map((probability, index) => ({ label: smallLabels[index], probability }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, 3);
    expect(cells.slice(0, 6).filter((_, index) => index % 2 === 0)).toEqual(expected.map(({ label }) => label));
    for (const [index, { probability }] of expected.entries())
      expect(Number.parseFloat(cells[2 * index + 1] ?? '')).toBeCloseTo(100 * probability, 0);
    expect(await page.locator('h2').allTextContents()).toEqual(['faster', 'original (the original)']);
    expect(cells).toHaveLength(12);
    const times = await page.locator('section p').allTextContents();
    expect(times).toHaveLength(2);
    // The first run of all is told apart from those of a warm runtime.
    for (const time of times)
      expect(time).toMatch(/^[\d.]+ ms a run, median of [1-5]; the first one ever, .* took [\d.]+ ms$/);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(status).toMatch(
      /^(Both say the same|They differ: .* instead of .*); [\d.]+ times as fast, on WebAssembly with (1 thread|[2-4] threads)\.$/,
    );
    expect(foreign).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(400);

    // Turned as EXIF says, the photo is the same one; the runtime is warm now.
    await choose(page, await photo(true), 'sideways.png');
    expect(await cellsOf(page)).toEqual(cells);
    expect(await page.locator('section p').first().textContent()).toMatch(/^[\d.]+ ms a run, median of [1-5]$/);

    // Nothing of an earlier photo stays beside one that cannot be decoded.
    const sentence = await choose(page, Buffer.from('no image'), 'notes.heic');
    expect(sentence).toBe('“notes.heic” is no image that this browser can decode.');
    expect(await cellsOf(page)).toEqual([]);
    expect(await page.locator('#photo').isVisible()).toBe(false);
    await page.close();
  });

  it('takes names of classes from the original, or calls classes by their number', async () => {
    const named = await open('?model=unnamed');
    await choose(named, await photo());
    const [first = ''] = await cellsOf(named);
    expect(smallLabels).toContain(first);
    await named.close();
    const withoutHeaders = async (page: Page): Promise<void> => {
      await page.route(/\/(\?.*)?$/, async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, headers: { 'Content-Type': 'text/html' } });
      });
    };
    const page = await open('?model=unnamed&original=none', withoutHeaders);
    const status = await choose(page, await photo());
    expect((await cellsOf(page))[0]).toBe(`class ${smallLabels.indexOf(first)}`);
    expect(await page.locator('h2').allTextContents()).toEqual(['unnamed']);
    expect(status).toMatch(
      /^Run on WebAssembly with 1 thread: more need .* two headers .*“none”, as the tutorial says\.$/,
    );
    await page.close();
  });

  it('says that a model folder is not there', async () => {
    const page = await browser.newPage();
    await page.goto(`${url}?model=nothing`);
    await page.waitForFunction(() => document.querySelector('#status')?.textContent?.startsWith('That went wrong'));
    expect(await page.locator('#status').textContent()).toContain('there is no model folder “nothing”');
    expect(await page.locator('input').isDisabled()).toBe(true);
    await page.close();
  });

  it('serves nothing outside of its folder', async () => {
    expect(await statusOf(url, '/index.html')).toBe(200);
    expect(await statusOf(url, '/../../../../../../etc/passwd')).toBe(404);
    expect(await statusOf(url, '/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd')).toBe(404);
    expect(await statusOf(url, '/%')).toBe(404);
  });
});
