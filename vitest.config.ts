import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/property-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // ONNX Runtime uses every core by itself; two files at once on two cores is the most that helps.
    maxWorkers: 2,
  },
});
