/**
 * The search of `examples/search-page`, in Chromium and in Node: what the test compares and
 * `npm run bench -- search-page` times.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { build, preview } from 'vite';
import { startBrowser } from '../report/browser.ts';

/** How much is searched. */
export interface SearchSize {
  readonly steps: number;
  readonly images: number;
}

/** A search's result. */
export interface PageSearch {
  readonly schedule: unknown;
  /** Of the search alone: nothing is loaded or compiled in it but ONNX Runtime. */
  readonly seconds: number;
}

/** The page, built by Vite and served to a browser; close it. */
export interface SearchPage {
  /** Addresses that were asked for elsewhere. */
  readonly foreign: readonly string[];
  search(size: SearchSize): Promise<PageSearch>;
  close(): Promise<void>;
}

const slowest = 600_000;

/** Builds the page as its user would, with this checkout as the package, and opens a browser. */
export async function openSearchPage(): Promise<SearchPage> {
  const folder = await mkdtemp(join(tmpdir(), 'diffrate-search-page-'));
  await cp('examples/search-page', folder, { recursive: true });
  await cp('examples/demo-model', join(folder, 'public/model'), { recursive: true });
  await mkdir(join(folder, 'node_modules'));
  await symlink(resolve('.'), join(folder, 'node_modules/diffrate'));
  for (const name of ['onnxruntime-web', 'vite'])
    await symlink(resolve('node_modules', name), join(folder, 'node_modules', name));
  await build({ root: folder, logLevel: 'warn' });
  const server = await preview({ root: folder, logLevel: 'warn', preview: { port: 0, host: '127.0.0.1' } });
  const url = server.resolvedUrls?.local[0] ?? '';
  const browser: Browser = await startBrowser();
  const foreign: string[] = [];
  return {
    foreign,
    async search({ steps, images }) {
      const page = await browser.newPage();
      page.on('request', (request) => {
        if (!request.url().startsWith(url) && !/^(?:data|blob):/.test(request.url())) foreign.push(request.url());
      });
      await page.goto(`${url}?steps=${steps}&images=${images}`);
      await page.click('#start:enabled');
      const done = (): boolean => /^(Done|That)/.test(document.getElementById('status')?.textContent ?? '');
      await page.waitForFunction(done, null, { timeout: slowest });
      const status = (await page.textContent('#status')) ?? '';
      const [, seconds] = /^Done in ([\d.]+) s/.exec(status) ?? [];
      if (seconds === undefined) throw new Error(status);
      const schedule: unknown = JSON.parse((await page.textContent('#schedule')) ?? '');
      await page.close();
      return { schedule, seconds: Number(seconds) };
    },
    async close() {
      await browser.close();
      server.httpServer.close();
      await once(server.httpServer, 'close');
      await rm(folder, { recursive: true });
    },
  };
}

/** The page's search on WebAssembly in a Node of its own, which finds this package by its name. */
export async function searchInNode({ steps, images }: SearchSize): Promise<PageSearch> {
  const program = `
    import { readFileSync } from 'node:fs';
    import { gunzipSync } from 'node:zlib';
    import { modelFromFiles } from 'diffrate/networks';
    import { createWebRuntime } from 'diffrate/runtime/web';
    import { memoryImages, searchSchedule } from 'diffrate/search';
    const read = (name) => new Uint8Array(readFileSync('examples/demo-model/' + name));
    const json = (name) => JSON.parse(new TextDecoder().decode(read(name)));
    const model = modelFromFiles({
      name: 'vit_demo_patch2_28',
      configuration: json('config.json'),
      preprocessor: json('preprocessor_config.json'),
      weights: read('model.safetensors'),
    });
    const idx = new Uint8Array(gunzipSync(read('images/calibration-images-idx3-ubyte.gz')));
    const imageAt = (index) => ({ data: idx.subarray(16 + index * 784, 800 + index * 784), width: 28, height: 28 });
    const calibration = memoryImages(Array.from({ length: ${images} }, (_, index) => imageAt(index)));
    const began = performance.now();
    const { schedule } = await searchSchedule({
      model,
      images: calibration,
      target: { ratio: 0.6 },
      steps: ${steps},
      runtime: createWebRuntime({ threads: 1 }),
    });
    console.log(JSON.stringify({ schedule, seconds: (performance.now() - began) / 1000 }));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    // Left alone, Node would finish compiling ONNX Runtime's WebAssembly before it exits: minutes.
    if (text.endsWith('}\n')) child.kill('SIGKILL');
  }
  return JSON.parse(text) as PageSearch;
}
