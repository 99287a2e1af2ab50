/** What `diffrate eval` prints of each kind of network, alone and beside another. */
import { describe, expect, it } from 'vitest';
import { formatEvaluation } from '../../src/cli/evaluation-table.ts';
import type { ImageFacts } from '../../src/data/labels/describe-labels.ts';
import type { EvaluationResult } from '../../src/evaluation/evaluation-options.ts';
import { MetricAccumulator } from '../../src/evaluation/metrics.ts';
import type { Answers } from '../../src/objectives/objective.ts';

const features: Answers = { kind: 'features', size: 3 };
const twoClasses: Answers = { kind: 'classes', size: 2 };

function resultOf(answers: Answers, labels?: Int32Array): EvaluationResult & { readonly dataset: ImageFacts } {
  const metrics = new MetricAccumulator(answers);
  const values = Float32Array.from({ length: 4 * answers.size }, (_, index) => Math.sin(index));
  metrics.add({ answers: values, reference: values, ...(labels && { labels }) });
  const common = { model: 'small', method: 'uncompressed', schedule: null, skipped: [], imagesPerSecond: 10 };
  const dataset = { name: 'photos', images: 4, labels: labels?.length ?? 0, labelsFrom: 'table' } as const;
  return { ...common, ...metrics.result(), gflops: 0.0000078, dataset };
}

const alone = { ragged: false, compared: false };
const beside = { ragged: false, compared: true };

describe('formatEvaluation', () => {
  it('says of an encoder alone what could be measured, and measures it beside another', () => {
    const own = formatEvaluation(resultOf(features), { ...alone, answers: features });
    expect(own).toMatch(/gives features, .* give --schedule or --method, or another network with --reference, .*\.$/);
    expect(own).not.toMatch(/cosine|neighbour %/);
    const compared = formatEvaluation(resultOf(features), { ...beside, answers: features });
    expect(compared).toMatch(/cosine distance.*\n.*same neighbour %/);
    expect(compared).not.toContain('--schedule');
  });

  it('says it of a classifier without labels, and of a network of one output', () => {
    const classes: Answers = { kind: 'classes', size: 10 };
    expect(formatEvaluation(resultOf(classes), { ...alone, answers: classes })).toMatch(
      /no labels, so there is no accuracy: give labels, or --schedule or --method, .* agreement and KL\.$/,
    );
    const one: Answers = { kind: 'classes', size: 1 };
    expect(formatEvaluation(resultOf(one), { ...alone, answers: one })).toMatch(/nothing to compare these answers/);
  });

  it('shows no top-5 of two classes, and a small cost with its digits', () => {
    const labelled = formatEvaluation(resultOf(twoClasses, Int32Array.of(0, 1, 0, 1)), {
      ...alone,
      answers: twoClasses,
    });
    expect(labelled).toContain('top-1 %');
    expect(labelled).not.toMatch(/top-5|agreement|KL|--/);
    expect(labelled).toContain('0.00000780');
  });
});
