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
import type { Browser } from 'playwright-core';
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

describe.skipIf(browserPath === undefined)('examples/browser', { timeout: 120_000 }, () => {
  let folder = '';
  let server: ChildProcess;
  let browser: Browser;
  let url = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diffrate-page-'));
    await exportModel({ model, schedule: smallSchedule, directory: join(folder, 'faster') });
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

  it('classifies a photo as in Node, with threads, without another host', async () => {
    const page = await browser.newPage();
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) foreign.push(request.url());
    });
    await page.goto(url);
    await page.waitForFunction(() => !document.querySelector('input')?.disabled);
    const image = sharp(Buffer.from(colours), { raw: { width: side, height: side, channels: 3 } });
    await page.setInputFiles('input', {
      name: 'photo.png',
      mimeType: 'image/png',
      buffer: await image.png().toBuffer(),
    });
    await page.waitForSelector('td');
    const cells = await page.locator('td').allTextContents();
    const expected = (await expectedProbabilities())
      .map((probability, index) => ({ label: smallLabels[index], probability }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, 3);
    expect(cells.filter((_, index) => index % 2 === 0)).toEqual(expected.map(({ label }) => label));
    for (const [index, { probability }] of expected.entries())
      expect(Number.parseFloat(cells[2 * index + 1] ?? '')).toBeCloseTo(100 * probability, 0);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await page.locator('#status').textContent()).toMatch(/^[\d.]+ ms on wasm, \d+ threads$/);
    expect(foreign).toEqual([]);
    await page.close();
  });

  it('says that a model folder is not there', async () => {
    const page = await browser.newPage();
    await page.goto(`${url}?model=nothing`);
    await page.waitForFunction(() => document.querySelector('#status')?.textContent?.startsWith('That went wrong'));
    expect(await page.locator('#status').textContent()).toContain('nothing/config.json: 404');
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
