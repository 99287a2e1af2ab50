/** Reports in a browser, narrow and wide: no figure is cut, and what scrolls says so. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Comparison, MeasuredCell } from '../../src/comparison/comparison.ts';
import { reportPage } from '../../src/report/page.ts';
import { comparisonReport, compressionReport, picturesReport } from '../../src/report/report.ts';
import { browserPath, startBrowser } from './browser.ts';
import { compressionFacts, result } from './report-facts.ts';

const reason =
  'no schedule: give images to search one, or the paths of schedules that were found before and fit this network';

const measured = (asked: string, method: string): MeasuredCell => ({
  ...result({}),
  kind: 'measured',
  asked,
  method,
  budget: 0.65,
  gflops: 0.8151,
  ragged: false,
  imagesPerSecond: 1204.5,
  speedup: 1.53,
  flopsRatio: 1.6,
});

/** A method without figures, one with a long name, and one whose name has no place to break. */
const comparison: Comparison = {
  model: 'small',
  images: 60,
  baseline: { ...result({}), gflops: 1.254 },
  cells: [
    { kind: 'missing', asked: 'diffrate', budget: 0.65, reason },
    measured('tome', 'tome:proportional=false,r=13/12/11/10'),
    measured('evit', `evit:${'x'.repeat(90)}`),
  ],
  rankings: [],
};

/** What lies where; runs in the page. */
async function measureLayout(): Promise<{
  pageOverflow: number;
  cut: string[];
  unannounced: string[];
  scrolling: string[];
}> {
  const inside = (element: Element, left: number, right: number): boolean => {
    const box = element.getBoundingClientRect();
    return box.left >= left - 1 && box.right <= right + 1;
  };
  const all = (selector: string): Element[] => Array.from(document.querySelectorAll(selector));
  for (const details of all('details')) details.setAttribute('open', '');
  // Hints follow what scrolls, a frame later.
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  const scrolls = (element: Element): boolean => element.scrollWidth > element.clientWidth + 1;
  const cut = all('p, li, dt, dd, figcaption, h1, h2, h3, pre, img, svg, summary')
    .filter((element) => element.closest('.scroll') === null)
    .filter((element) => !inside(element, 0, window.innerWidth) || scrolls(element));
  const containers = all('.scroll');
  const hint = (container: Element): Element | null | undefined => container.parentElement?.querySelector('.hint');
  const isShown = (element: Element | null | undefined): boolean =>
    element !== null &&
    element !== undefined &&
    getComputedStyle(element).visibility === 'visible' &&
    element.getBoundingClientRect().height > 10;
  for (const container of containers) {
    // Its last column can be scrolled to, and no cell is narrower than what it holds.
    container.scrollLeft = 1e6;
    const box = container.getBoundingClientRect();
    cut.push(
      ...Array.from(container.querySelectorAll('tr > :last-child')).filter((cell) => !inside(cell, 0, box.right)),
    );
    cut.push(...Array.from(container.querySelectorAll('td, th')).filter(scrolls));
    container.scrollLeft = 0;
  }
  return {
    pageOverflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    cut: cut.map((element) => `${element.tagName}: ${element.textContent.slice(0, 60)}`),
    unannounced: containers
      // Of half a pixel there may be a hint or none.
      .filter((container) => Math.abs(container.scrollWidth - container.clientWidth) !== 1)
      .filter((container) => scrolls(container) !== isShown(hint(container)))
      .map((container) => container.textContent.trim().slice(0, 60)),
    scrolling: containers.filter(scrolls).map((container) => container.textContent.trim().slice(0, 60)),
  };
}

describe.skipIf(browserPath === undefined)('the layout of reports', { timeout: 60_000 }, () => {
  let browser: Browser;
  let directory = '';
  const pages = new Map<string, string>();
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'diffrate-layout-'));
    const facts = await compressionFacts(join(directory, 'images'));
    pages.set('compression', reportPage(await compressionReport(facts)));
    pages.set('pictures', reportPage(await picturesReport(facts)));
    pages.set('comparison', reportPage(comparisonReport(comparison, facts.provenance)));
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(['compression', 'pictures', 'comparison'])('of %s cuts nothing at 400 and 1400 pixels', async (kind) => {
    const page = await browser.newPage();
    await page.setContent(pages.get(kind) ?? '');
    for (const width of [400, 1400]) {
      await page.setViewportSize({ width, height: 900 });
      const layout = await page.evaluate(measureLayout);
      expect(layout, `${kind} at ${width}`).toMatchObject({ pageOverflow: 0, cut: [], unannounced: [] });
      // On a phone some table is always wider; on a screen only that of a name without a break.
      if (width === 400) expect(layout.scrolling).not.toEqual([]);
      else expect(layout.scrolling).toEqual([]);
    }
    if (kind === 'comparison') {
      const notes = await page.locator('#comparison > ul > li').allTextContents();
      expect(notes).toEqual([`diffrate: ${reason}.`]);
      const widest = await page.evaluate(() =>
        Math.max(...Array.from(document.querySelectorAll('td'), (cell) => cell.getBoundingClientRect().width)),
      );
      expect(widest).toBeLessThan(350);
    }
    await page.close();
  });
});
