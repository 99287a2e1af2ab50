import { relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';
import { isBuilt } from './test/built.ts';

/** Files of a minute or more: they begin, so that none of them runs alone in the end. */
const longest = [
  'test/evaluation/golden-real.slow.test.ts',
  'test/training/gradients.test.ts',
  'test/cli/command-line.test.ts',
  'test/runtime/webgpu-methods.slow.test.ts',
  'test/training/train.test.ts',
  'test/search/search.test.ts',
  'test/cli/compare.test.ts',
  'test/bench/paper/scripts.slow.test.ts',
  'test/entries/search-page.slow.test.ts',
  'test/entries/consumer-types.slow.test.ts',
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

/**
 * Threads start in half the time from the build than from sources, which each of them would
 * translate anew; a build that is older than the sources is not used.
 */
const threadsFromBuild: Plugin = {
  name: 'threads-from-build',
  enforce: 'pre',
  transform(code, id) {
    const file = relative(resolve('src'), id);
    if (file.startsWith('..') || !code.includes("import.meta.url.endsWith('.ts')")) return undefined;
    const built = pathToFileURL(resolve('dist', file.replace(/\.ts$/, '.js')));
    return { code: code.replaceAll('import.meta.url', JSON.stringify(built.href)), map: null };
  },
};

/**
 * Browsers on a processor, processes that are killed, real data, compilers: `--mode all` runs them.
 */
const slow = 'test/**/*.slow.test.ts';

export default defineConfig(({ mode }) => ({
  plugins: isBuilt() ? [threadsFromBuild] : [],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: mode === 'all' ? [] : [slow],
    setupFiles: ['test/property-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two files at once, each on one thread: threads of several processes would wait for each other
    // on few cores.
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: '1' },
    sequence: { sequencer: LongestFirst },
  },
}));
