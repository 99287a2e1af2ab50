import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/property-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two files at once, each on one thread: threads of several processes would wait for each other on few cores.
    maxWorkers: 2,
    env: { OMP_NUM_THREADS: '1' },
  },
});
