/** The report as a file and in a browser: complete, self-contained, escaped, light and dark. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseHTML } from 'linkedom';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { escapeHtml, html, Html } from '../../src/report/html.ts';
import { reportPage } from '../../src/report/page.ts';
import { compressionReport, picturesReport } from '../../src/report/report.ts';
import type { CompressionFacts } from '../../src/report/report.ts';
import { writeReport } from '../../src/report/report-file.ts';
import { objectiveFor } from '../../src/objectives/registry.ts';
import type { ImagePrediction } from '../../src/evaluation/predictions.ts';
import { changesSection } from '../../src/report/sections/changes.ts';
import { smallSchedule } from '../random-network.ts';
import { smallNetwork } from '../small-networks.ts';
import { browserPath, startBrowser } from './browser.ts';
import { compressionFacts, hostileName, labels, predictions } from './report-facts.ts';

let directory = '';
let facts: CompressionFacts;
let text = '';

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-report-'));
  facts = await compressionFacts(join(directory, 'images'));
  text = reportPage(await compressionReport(facts));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const documentOf = (page: string): Document => parseHTML(page).document as unknown as Document;

describe('html', () => {
  it('escapes text and numbers, takes HTML as it is, and leaves out what is nothing', () => {
    const value = html`<p title="${'"a" & <b>'}">${[1, new Html('<br>'), "it's", null, undefined, false, ['<']]}</p>`;
    expect(value.text).toBe('<p title="&quot;a&quot; &amp; &lt;b&gt;">1<br>it&#39;s&lt;</p>');
    expect(escapeHtml('&lt;')).toBe('&amp;lt;');
  });
});

describe('the report of a compression', () => {
  it('has all sections, each with what it is about', () => {
    const page = documentOf(text);
    const sections = Array.from(page.querySelectorAll('section')).map((section) => [
      section.id,
      section.querySelectorAll('svg').length,
      section.querySelectorAll('img').length,
    ]);
    expect(sections).toEqual([
      ['headline', 0, 0],
      ['tokens', 2, 0],
      ['flops', 1, 0],
      ['speed', 2, 0],
      ['accuracy', 0, 0],
      ['changes', 0, 1],
      ['search', 4, 0],
      ['pictures', 0, 6],
      ['files', 0, 0],
      ['next', 0, 0],
      ['provenance', 0, 0],
    ]);
    const words = page.querySelector('#headline')?.textContent ?? '';
    for (const word of [
      '0.00100 G',
      '−50 %',
      '6.0 ms',
      '1.67×',
      '228.6 images/s',
      '75.00 %',
      '76.25 %',
      '97.50 %',
      '0.0123',
    ])
      expect(words).toContain(word);
    expect(page.querySelector('#accuracy')?.textContent).toMatch(/One image could not be decoded and is left out/);
    for (const link of Array.from(page.querySelectorAll('nav a')))
      expect(page.querySelector(link.getAttribute('href') ?? '')).not.toBeNull();
  });

  it('shows the images that change class, the furthest first, with what both networks say', () => {
    const section = documentOf(text).querySelector('#changes');
    const words = (element: Element | null | undefined): string =>
      element?.textContent?.replace(/[\s\u00a0]+/g, ' ').trim() ?? '';
    expect(words(section?.querySelector('p'))).toBe(
      'Of 40 images of <b>mine</b> 9 have another class in the compressed network. The 8 whose answers moved furthest are shown, in that order.',
    );
    const figures = Array.from(section?.querySelectorAll('figure') ?? []);
    expect(figures.map((figure) => figure.querySelector('strong')?.textContent)).toEqual([
      hostileName,
      ...[7, 6, 5, 4, 3, 2, 1].map((index) => `gone-${index}.png`),
    ]);
    expect(words(figures[0]?.querySelector('dl'))).toBe(
      'uncompressed class 3 61.2 % compressed <script>alert(3)</script> 52.3 %; class 3 30.0 % label class 3 (only the uncompressed network is right) distance 0.500 nats',
    );
    expect(figures[0]?.querySelector('img')?.getAttribute('src')).toMatch(/^data:image\/png/);
    // An image that is gone is still told of.
    expect(words(figures[1])).toMatch(/^It cannot be read any more\. gone-7\.png/);
    const captions = Array.from(documentOf(text).querySelectorAll('.series > figcaption'));
    expect(captions.map(words)).toEqual([
      `${hostileName} class 3 61.2 % → <script>alert(3)</script> 52.3 %`,
      'plain.png class 3 61.2 % → class 3 > 99.9 %',
    ]);
  });

  it('says so where no image changes class, and where labels change', async () => {
    const none = { compared: 2, changed: 0, shown: [] };
    const { content } = await changesSection(none, { kind: 'classes' }, labels, '2 images of mine');
    expect(content.text).toContain('None: both networks name the same class for all of 2 images of mine.');
    const one = { ...predictions[1], before: [], kept: [] } as ImagePrediction;
    const changes = { compared: 2, changed: 1, shown: [{ prediction: one, picture: undefined }] };
    const section = await changesSection(changes, { kind: 'labels' }, labels);
    expect(section.title).toBe('Which images change labels');
    expect(section.content.text.replace(/\s+/g, ' ')).toMatch(
      /Of 2 images 1 has other labels .* A label holds .*<dd>none<\/dd>/,
    );
  });

  it('has a verdict with its source, sizes beside the original, and lines to copy', () => {
    const page = documentOf(text);
    expect(page.querySelector('#headline strong')?.textContent).toMatch(/^The answers moved somewhat/);
    expect(page.querySelector('#accuracy .verdict')?.textContent?.replace(/\s+/g, ' ')).toMatch(
      /^The answers moved somewhat \(KL 0\.0123 nats.*40 images are few.*docs\/results\.md/,
    );
    const rows = Array.from(page.querySelectorAll('#files tbody tr')).map((row) =>
      Array.from(row.children).map((cell) => cell.textContent),
    );
    expect(rows).toEqual([
      ['original checkpoint, weights/<b>x</b>.safetensors', '2.00', ''],
      ['onnx/model.onnx', '2.10', '105.0 %'],
      ['config.json, README.md', '0.0020', ''],
    ]);
    expect(page.querySelector('#next h3')?.textContent).toBe('With <i>a program</i>');
    expect(page.querySelector('#next code')?.textContent).toContain("run('<b>./out</b>/longlong");
  });

  it('shows the schedule in its table', () => {
    const rows = Array.from(documentOf(text).querySelectorAll('#tokens figure:first-of-type tbody tr')).map((row) =>
      Array.from(row.children).map((cell) => cell.textContent),
    );
    // smallSchedule: 17 → 17, 14, 10, 5 tokens; pruned to 17, 15, 12, 8 before.
    expect(rows).toEqual([
      ['1', '17', '0', '0', '17'],
      ['2', '17', '2', '1', '14'],
      ['3', '14', '2', '2', '10'],
      ['4', '10', '2', '3', '5'],
    ]);
  });

  it('labels every axis, captions and describes every plot and picture', () => {
    const page = documentOf(text);
    for (const figure of Array.from(page.querySelectorAll('.plots figure'))) {
      const labels = Array.from(figure.querySelectorAll('svg [aria-label$="axis label"]')).map(
        (label) => label.textContent,
      );
      const grouped = figure.closest('#speed') !== null;
      expect(labels).toHaveLength(grouped ? 1 : 2);
      for (const label of labels) expect(label?.length).toBeGreaterThan(3);
      expect(figure.querySelector('figcaption')?.textContent?.length).toBeGreaterThan(40);
      expect(figure.querySelector('svg')?.getAttribute('aria-label')?.length).toBeGreaterThan(20);
      expect(figure.querySelectorAll('details tbody tr').length).toBeGreaterThan(1);
    }
    for (const image of Array.from(page.querySelectorAll('img')))
      expect(image.getAttribute('alt')?.length).toBeGreaterThan(10);
    expect(page.querySelectorAll('.plots figure').length).toBe(9);
  });

  it('needs nothing from elsewhere and runs no script', () => {
    const page = documentOf(text);
    expect(page.querySelectorAll('script, link, iframe, object, embed, base, form')).toHaveLength(0);
    for (const element of Array.from(page.querySelectorAll('*'))) {
      for (const { name, value } of Array.from(element.attributes)) {
        expect(name).not.toMatch(/^on/);
        if (['src', 'srcset', 'poster', 'data'].includes(name)) expect(value).toMatch(/^data:image\/png;base64,/);
        if (name === 'href' || name === 'xlink:href') expect(value).toMatch(/^#/);
        if (name !== 'src' && !name.startsWith('xmlns')) expect(value).not.toMatch(/https?:|url\(/);
      }
    }
    for (const style of Array.from(page.querySelectorAll('style')))
      expect(style.textContent).not.toMatch(/@import|url\(|https?:/);
    expect(page.querySelector('meta[http-equiv]')?.getAttribute('content')).toMatch(/default-src 'none'/);
  });

  it('escapes names, labels and commands', () => {
    expect(text).not.toMatch(/<script|<img src=x|<b>|<i>/);
    expect(text).toContain(escapeHtml(hostileName));
    const page = documentOf(text);
    expect(page.querySelector('title')?.textContent).toBe('small <script>alert(2)</script> vit, compressed');
    expect(page.querySelector('#provenance code')?.textContent).toBe(`diffrate compress '<i>x</i>'`);
    expect(page.querySelector('#pictures strong')?.textContent).toBe(hostileName);
  });

  it('tells only what is known: no images, no labels, a published schedule', async () => {
    const { measurements } = facts;
    const bare = documentOf(
      reportPage(
        await compressionReport({
          ...facts,
          measurements: { ...measurements, evaluation: null },
          history: [],
          pictures: [],
          predictions: null,
          changes: undefined,
          files: undefined,
          next: [],
        }),
      ),
    );
    expect(Array.from(bare.querySelectorAll('section')).map(({ id }) => id)).toEqual([
      'headline',
      'tokens',
      'flops',
      'speed',
      'provenance',
    ]);
    expect(bare.querySelector('main')?.textContent).not.toMatch(/NaN|undefined|null|Infinity/);
    const { evaluation } = measurements;
    if (evaluation === null) throw new Error('the facts have an evaluation');
    const unlabelled = { ...evaluation.after, top1: null, top5: null, loss: null };
    const page = documentOf(
      reportPage(
        await compressionReport({
          ...facts,
          measurements: { ...measurements, evaluation: { before: unlabelled, after: unlabelled } },
        }),
      ),
    );
    expect(page.querySelector('#headline')?.textContent).not.toContain('Top-1');
    expect(page.querySelector('#accuracy')?.textContent).toContain('no labels');
  });

  it('has the files side by side, with what is to be said of them', async () => {
    const { runs, evaluation } = facts.measurements;
    if (evaluation === null) throw new Error('the facts have an evaluation');
    const each = { file: 'onnx/model.onnx', evaluation: evaluation.after, runs, failure: null, remark: null };
    const fp32 = { ...each, dtype: 'fp32' as const, bytes: 23_400_000, runsOn: 'everywhere' };
    const remark = 'fp16 could not be measured on this device: <b>none</b>';
    const fp16 = { ...fp32, dtype: 'fp16' as const, bytes: 1_234_000, evaluation: null, runs: [], remark };
    const pageOf = async (precisions: CompressionFacts['precisions']): Promise<Document> =>
      documentOf(reportPage(await compressionReport({ ...facts, precisions, pictures: [] })));
    const section = (await pageOf([fp32, fp16])).querySelector('#precisions');
    const rows = Array.from(section?.querySelectorAll('tr') ?? []).map((row) =>
      Array.from(row.children).map((cell) => cell.textContent),
    );
    expect(rows).toEqual([
      ['', 'original', 'fp32', 'fp16'],
      ['files, MB', '', '23.4', '1.23'],
      ['top-1 %', '76.25', '75.00', '–'],
      ['top-5 %', '95.00', '95.00', '–'],
      ['loss', '1.2500', '1.2500', '–'],
      ['agreement %', '', '97.50', '–'],
      ['KL', '', '0.01230', '–'],
      ['images/s at batch 1', '100.0', '166.7', '–'],
      ['speed-up at batch 1', '', '1.67×', '–'],
      ['images/s at batch 16', '133.3', '228.6', '–'],
      ['speed-up at batch 16', '', '1.71×', '–'],
      ['runs well on', '', 'everywhere', 'everywhere'],
    ]);
    expect(section?.textContent).toContain(remark);
    expect(section?.textContent).toContain('fp16 is for WebGPU');
    expect(section?.textContent).not.toContain('holds no fp32 file');
    const half = (await pageOf([fp16])).querySelector('#precisions');
    expect(half?.querySelector('tr')?.textContent?.replace(/\s+/g, ' ')).toContain('fp32 (no file)');
    expect(half?.textContent).toContain('holds no fp32 file');
    expect((await pageOf([fp32])).querySelector('#precisions')).toBeNull();
  });

  it('names another objective with its unit, and another cost', async () => {
    const { evaluation } = facts.measurements;
    if (evaluation === null) throw new Error('the facts have an evaluation');
    const bare = { ...evaluation.after, skipped: [], top1: null, top5: null, loss: null, agreement: null, kl: null };
    const objective = { name: 'featureDistance', value: 0.0321, unit: '1 − cosine' };
    const after = { ...bare, objective, featureDistance: 0.0321, neighbourAgreement: 87.5 };
    const encoder = smallNetwork({ classes: 0 });
    const measurements = { ...facts.measurements, evaluation: { before: after, after } };
    const target = { value: 12, unit: 'ms' };
    const pageOf = async (more: Partial<CompressionFacts>): Promise<Document> =>
      documentOf(
        reportPage(
          await compressionReport({ ...facts, network: encoder, measurements, target, pictures: [], ...more }),
        ),
      );
    const page = await pageOf({});
    const text = (id: string): string => page.querySelector(`#${id}`)?.textContent?.replace(/\s+/g, ' ') ?? '';
    expect(text('headline')).toContain('cosine distance of features, in 1 − cosine, from the uncompressed');
    expect(text('headline')).toMatch(/0\.0321.*87\.50 %.*The answers were compared on 40 images/);
    expect(text('accuracy')).toContain('cosine distance of features (1 − cosine)');
    expect(text('accuracy')).toMatch(/0\.03210.*87\.50 %/);
    expect(text('search')).toContain('Gradients: cost.');
    expect(text('search')).toContain('loss in 1 − cosine');
    expect(text('search')).not.toMatch(/GFLOPs|nats/);
    expect(page.querySelector('main')?.textContent).not.toMatch(/KL|Top-1|top-1|NaN|undefined|null|classifier/);
    // Its loss is in variances where what it measures is in standard deviations.
    const byError = await pageOf({ objective: objectiveFor(encoder.answers, { name: 'regressionError' }) });
    expect(byError.querySelector('#search')?.textContent).toContain('The loss is the root mean squared error');
    expect(byError.querySelector('#search')?.textContent).not.toMatch(/loss in|standard deviations/);
  });

  it('says what is left in the last block, and how many tokens are no patches', async () => {
    const network = smallNetwork({
      prefixTokens: [
        { name: 'cls_token', count: 1 },
        { name: 'reg_token', count: 4 },
      ],
    });
    const schedule = { ...smallSchedule, pruneKept: [21, 15, 12, 5], mergeKept: [21, 14, 10, 5] };
    const [first] = facts.pictures;
    const pictures = first === undefined ? [] : [{ ...first, prefix: 5 }];
    const page = documentOf(reportPage(await picturesReport({ ...facts, network, schedule, pictures })));
    expect(page.querySelector('#tokens')?.textContent?.replace(/\s+/g, ' ')).toContain(
      'the 5 prefix tokens are left, which are all that the classifier reads',
    );
    expect(page.querySelector('#patches .caption')?.textContent).toContain('tokens count the 5 prefix tokens');
  });

  it('stays small where a search was long', () => {
    expect(text.length).toBeLessThan(2_000_000);
    expect(documentOf(text).querySelectorAll('#search details tbody tr').length).toBeLessThan(150);
  });
});

describe('the report file', () => {
  it('is written as a whole or not at all, in one sentence', async () => {
    const page = await compressionReport({ ...facts, pictures: [] });
    const folder = join(directory, 'written');
    mkdirSync(join(folder, 'report.html', 'in the way'), { recursive: true });
    const written = writeReport(join(folder, 'report.html'), page);
    await expect(written).rejects.toThrow(DiffrateError);
    await expect(written).rejects.toThrow(/report\.html cannot be written \(.*\): see that its folder/);
    expect(readdirSync(folder)).toEqual(['report.html']);
    await writeReport(join(folder, 'other.html'), page);
    expect(readFileSync(join(folder, 'other.html'), 'utf8')).toBe(reportPage(page));
    expect(readdirSync(folder).sort()).toEqual(['other.html', 'report.html']);
  });
});

describe.skipIf(browserPath === undefined)('in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  it.each(['compression', 'pictures'])(
    'the report of %s opens from disk, in light and in dark, wide and narrow',
    async (kind) => {
      const file = join(directory, `${kind}.html`);
      const provenance = facts.provenance;
      await writeReport(
        file,
        kind === 'compression' ? await compressionReport(facts) : await picturesReport({ ...facts, provenance }),
      );
      const backgrounds: string[] = [];
      for (const colorScheme of ['light', 'dark'] as const) {
        const page = await browser.newPage({ colorScheme, viewport: { width: 390, height: 800 } });
        const said: string[] = [];
        const requested: string[] = [];
        page.on('console', (message) => said.push(message.text()));
        page.on('pageerror', (error) => said.push(error.message));
        page.on('dialog', (dialog) => {
          said.push(dialog.message());
          void dialog.dismiss();
        });
        page.on('request', (request) => requested.push(request.url()));
        await page.goto(pathToFileURL(file).href);
        const seen = await page.evaluate(() => ({
          images: Array.from(document.querySelectorAll<HTMLImageElement>('#pictures img')).map(
            ({ naturalWidth, complete }) => [naturalWidth, complete],
          ),
          background: getComputedStyle(document.body).backgroundColor,
          text: getComputedStyle(document.body).color,
          overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          fills: Array.from(document.querySelectorAll('#tokens svg rect')).map((bar) => getComputedStyle(bar).fill),
        }));
        expect(seen.images).toEqual(Array.from({ length: 6 }, () => [448, true]));
        expect(seen.overflow).toBe(0);
        expect(seen.text).not.toBe(seen.background);
        // Colours of the page's style really reach the plots: kept, merged and pruned differ.
        expect(new Set(seen.fills).size).toBe(3);
        expect(seen.fills).not.toContain('rgb(0, 0, 0)');
        expect(said).toEqual([]);
        expect(requested.filter((url) => !url.startsWith('data:'))).toEqual([pathToFileURL(file).href]);
        backgrounds.push(seen.background);
        await page.setViewportSize({ width: 1280, height: 800 });
        expect(
          await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
        ).toBe(0);
        await page.close();
      }
      expect(backgrounds[0]).not.toBe(backgrounds[1]);
    },
  );
});
