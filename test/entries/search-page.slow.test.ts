/**
 * `examples/search-page` built by Vite and opened in Chromium: the search in a page gives the
 * schedule that Node gives on WebAssembly for the same seed.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath } from '../report/browser.ts';
import { openSearchPage, searchInNode } from './search-page.ts';
import type { SearchPage } from './search-page.ts';

const size = { steps: 1, images: 8 };

describe.skipIf(browserPath === undefined)('examples/search-page', { timeout: 240_000 }, () => {
  let page: SearchPage;
  beforeAll(async () => {
    page = await openSearchPage();
  });
  afterAll(() => page?.close());

  it('finds the schedule that Node finds on WebAssembly, without another host', async () => {
    const { schedule } = await page.search(size);
    expect(page.foreign).toEqual([]);
    expect(schedule).toEqual((await searchInNode(size)).schedule);
  });
});
