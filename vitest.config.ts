import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/** Files of a minute or more: they begin, so that none of them runs alone in the end. */
const longest = [
  'test/evaluation/golden-real.test.ts',
  'test/training/gradients.test.ts',
  'test/cli/command-line.test.ts',
  'test/runtime/webgpu-methods.test.ts',
  'test/training/train.test.ts',
  'test/search/search.test.ts',
  'test/cli/compare.test.ts',
  'test/bench/paper/scripts.test.ts',
  'test/entries/search-page.test.ts',
  'test/entries/consumer-types.test.ts',
  'test/cli/show.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const index = longest.indexOf(relative(process.cwd(), moduleId).replaceAll('\\', '/'));
      return index < 0 ? longest.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/property-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two files at once, each on one thread: threads of several processes would wait for each other
    // on few cores.
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: '1' },
    sequence: { sequencer: LongestFirst },
  },
});
