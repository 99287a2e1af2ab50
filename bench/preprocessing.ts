/**
 * How far another program's preprocessing moves the answers of the same network, beside how far
 * compression moves them: transformers.js in Node and the example page in Chromium, each beside
 * diffrate's own pixels.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ImageProcessor, RawImage } from '@huggingface/transformers';
import type { Page } from 'playwright-core';
import { openImageFolder } from '../src/data/open-image-folder.ts';
import { createNormalizer } from '../src/data/preprocess.ts';
import { valuesPerImage } from '../src/data/preprocessing.ts';
import { readCroppedImage } from '../src/data/read-image.ts';
import { NetworkSession } from '../src/execution/network-session.ts';
import { preprocessorConfiguration } from '../src/exporting/model-configuration.ts';
import { MetricAccumulator } from '../src/evaluation/metrics.ts';
import { diffRate } from '../src/reduction/methods/diffrate.ts';
import { nodeRuntime } from '../src/runtime/node/runtime.ts';
import { browserPath, startBrowser } from '../test/report/browser.ts';
import { dataPath, loadDeitTiny, publishedSchedule, weightsFile } from './measurement.ts';
import type { Measurement } from './measurement.ts';

const count = Number(process.env['PREPROCESSING_IMAGES'] ?? '200');

/** Pixels of a file as some program makes them. */
type Reader = (path: string) => Promise<Float32Array>;

/** DeiT-T, plain and under the published 0.8 schedule, on the same photos by several programs. */
export const preprocessing: Measurement = {
  name: 'preprocessing',
  description: `KL that preprocessing by transformers.js and by the example page makes, beside that of compression (published 0.8 G schedule), DeiT-T, ${count} images of imagenet-val (PREPROCESSING_IMAGES names another number)`,
  needs: [weightsFile, 'imagenet-val'],
  async run() {
    const model = await loadDeitTiny();
    const { network } = model;
    const source = await openImageFolder(dataPath('imagenet-val'), { limit: count });
    const json = preprocessorConfiguration(model.preprocessing);
    const processor = new ImageProcessor(json);
    const browser = browserPath === undefined ? undefined : await startBrowser();
    const readers: (readonly [string, Reader])[] = [
      [
        'transformers.js in Node',
        async (path) => {
          const result: unknown = await processor(await RawImage.read(path));
          return (result as { pixel_values: { data: Float32Array } }).pixel_values.data;
        },
      ],
    ];
    if (browser !== undefined) readers.push(['the example page', await pageReader(await browser.newPage(), json)]);
    const plain = await NetworkSession.load(model, { runtime: nodeRuntime });
    const reducer = diffRate(publishedSchedule(), network);
    const compressed = await NetworkSession.load(model, { runtime: nodeRuntime, reducer });
    const normalize = createNormalizer(model.preprocessing);
    const compression = new MetricAccumulator(network.answers);
    const moved = readers.map(() => [new MetricAccumulator(network.answers), new MetricAccumulator(network.answers)]);
    for (const image of source.images) {
      const own = new Float32Array(valuesPerImage(model.preprocessing));
      normalize(await readCroppedImage(source, image, model.preprocessing), own, 0);
      const references = [await plain.run(own), await compressed.run(own)] as const;
      compression.add({ answers: references[1], reference: references[0] });
      for (const [index, [, read]] of readers.entries()) {
        const pixels = await read(join(source.name, image.file));
        moved[index]?.[0]?.add({ answers: await plain.run(pixels), reference: references[0] });
        moved[index]?.[1]?.add({ answers: await compressed.run(pixels), reference: references[1] });
      }
    }
    await Promise.all([plain.dispose(), compressed.dispose(), browser?.close()]);
    const words = (metrics: MetricAccumulator | undefined): string => {
      const { kl, agreement } = metrics?.result() ?? {};
      return `KL ${kl?.toFixed(4)}, agreement ${agreement?.toFixed(1)} %`;
    };
    return [
      `compression, the same pixels: ${words(compression)}`,
      ...readers.flatMap(([name], index) => [
        `${name} beside diffrate’s pixels, uncompressed: ${words(moved[index]?.[0])}`,
        `${name} beside diffrate’s pixels, compressed: ${words(moved[index]?.[1])}`,
      ]),
    ];
  },
};

/** The example page's own preprocessing, run in Chromium. */
async function pageReader(page: Page, json: object): Promise<Reader> {
  const script = await readFile('examples/browser/preprocess.mjs', 'utf8');
  // Modules need an origin.
  const server = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'));
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  server.unref();
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
  await page.addScriptTag({
    type: 'module',
    content: `${script}
      window.pixelsOf = async (text, configuration) => {
        const blob = await (await fetch('data:application/octet-stream;base64,' + text)).blob();
        const { pixels } = preprocess(await decode(blob), configuration);
        const bytes = new Uint8Array(pixels.buffer);
        let binary = '';
        for (let at = 0; at < bytes.length; at += 32768) binary += String.fromCharCode(...bytes.subarray(at, at + 32768));
        return btoa(binary);
      };`,
  });
  await page.waitForFunction('window.pixelsOf !== undefined');
  return async (path) => {
    const photo = (await readFile(path)).toString('base64');
    const text: string = await page.evaluate(`window.pixelsOf('${photo}', ${JSON.stringify(json)})`);
    const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
    return new Float32Array(bytes.buffer);
  };
}
