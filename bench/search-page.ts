/** A search in a page beside the same search in Node, both on WebAssembly, in turns. */
import { median } from 'd3-array';
import { openSearchPage, searchInNode } from '../test/entries/search-page.ts';
import type { Measurement } from './measurement.ts';

const size = { steps: 5, images: 32 };
const rounds = Number(process.env['ROUNDS'] ?? 5);

/** The demo network; the page must give Node's schedule. */
export const searchPage: Measurement = {
  name: 'search-page',
  description: `search of the demo network in Chromium and in Node, both on WebAssembly with one thread, ${size.steps} steps and ${size.images} images, median of ${rounds} rounds (ROUNDS=3 for fewer)`,
  needs: [],
  async run() {
    const page = await openSearchPage();
    try {
      const rows: { readonly chromium: number; readonly node: number; readonly same: boolean }[] = [];
      for (let round = 0; round < rounds; round++) {
        const inPage = await page.search(size);
        const inNode = await searchInNode(size);
        const same = JSON.stringify(inPage.schedule) === JSON.stringify(inNode.schedule);
        rows.push({ chromium: inPage.seconds, node: inNode.seconds, same });
      }
      const seconds = (of: (row: (typeof rows)[number]) => number): string => (median(rows, of) ?? NaN).toFixed(1);
      const ratio = (median(rows, ({ chromium, node }) => chromium / node) ?? NaN).toFixed(2);
      return [
        `Chromium ${seconds(({ chromium }) => chromium)} s, Node ${seconds(({ node }) => node)} s, ratio ${ratio}`,
        rows.every(({ same }) => same) ? 'the same schedule each time' : 'NOT the same schedule each time',
      ];
    } finally {
      await page.close();
    }
  },
};
