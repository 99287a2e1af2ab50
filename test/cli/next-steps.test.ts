/** What a report proposes to do next: commands that can be typed, programs that name the folder. */
import { expect, it } from 'vitest';
import { nextSteps } from '../../src/cli/next-steps.ts';
import type { CompressionResult } from '../../src/compress/compress-options.ts';
import { randomModel, smallSchedule } from '../random-network.ts';

const result = {
  directory: 'out/my model/',
  schedule: { ...smallSchedule, gflops: 0.8 },
  search: null,
  precisions: [{ dtype: 'q8' }],
} as unknown as CompressionResult;

it('names folder, precision and model, and keeps the options that were typed', () => {
  const typed = {
    model: 'deit',
    weights: "it's.pth",
    rawArguments: ['compress', 'deit', '--ratio', '0.6', '--out=x', '--limit', '9', '--json', '--resume'],
  };
  const [transformers, runtime, other, smaller] = nextSteps(randomModel(), result, typed).map(({ code }) => code);
  expect(transformers).toContain("pipeline('image-classification', './out/my model/', { dtype: 'q8' })");
  expect(runtime).toContain("create('./out/my model/onnx/model_quantized.onnx')");
  expect(runtime).toContain('const { logits } = ');
  expect(other).toBe(
    String.raw`npx diffrate eval deit --weights 'it'\''s.pth' --schedule 'out/my model/schedule.json' --data OTHER-IMAGES`,
  );
  // Nothing was searched on: images are named, and the old target and folder are replaced.
  expect(smaller).toBe("npx diffrate compress deit --limit 9 --data IMAGES --gflops 0.68 --out 'out/my model-smaller'");
});

it('proposes no budget where the cost of the schedule is unknown', () => {
  const unknown = { ...result, schedule: { ...result.schedule, gflops: null } };
  const steps = nextSteps(randomModel(), unknown, { model: 'deit', rawArguments: ['compress', 'deit'] });
  expect(steps.map(({ title }) => title)).not.toContain('A smaller budget');
});
