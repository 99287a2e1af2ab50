/** Variants of a network evaluated beside the uncompressed one, as rows of a result. */
import { evaluationLine } from '../../src/cli/evaluation-line.ts';
import { formatNumber } from '../../src/cli/output.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { evaluateVariants } from '../../src/evaluation/evaluate.ts';
import type { EvaluationResult, Variant } from '../../src/evaluation/evaluation-options.ts';
import type { Model } from '../../src/networks/model.ts';
import type { PaperSetting } from './experiment.ts';

/** Heads of the columns that `evaluatedFigures` fills. */
export const evaluatedColumns = ['GFLOPs', 'top-1 %', 'agreement %', 'KL'] as const;

/** What was measured of one variant, as cells. */
export function evaluatedFigures({
  gflops,
  top1,
  agreement,
  kl,
}: Pick<EvaluationResult, 'gflops' | 'top1' | 'agreement' | 'kl'>): string[] {
  return [formatNumber(gflops, 3), formatNumber(top1, 2), formatNumber(agreement, 2), formatNumber(kl, 5)];
}

/**
 * Variants evaluated at once are held in memory together; of a large network they would not fit
 * all, so they go through the images in groups.
 */
const atOnce = 4;

/** Evaluates the variants on the same images, in order. */
export async function evaluateAll(
  { progress, session }: Pick<PaperSetting, 'progress' | 'session'>,
  model: Model,
  variants: readonly Variant[],
  folder: ImageSource,
): Promise<EvaluationResult[]> {
  const results: EvaluationResult[] = [];
  for (let first = 0; first < variants.length; first += atOnce) {
    const group = variants.slice(first, first + atOnce);
    const which = `${model.name}, variants ${first + 1} to ${first + group.length} of ${variants.length}`;
    const onProgress = (report: Parameters<typeof evaluationLine>[0]): void =>
      progress.update(`${which}: ${evaluationLine(report)}`);
    results.push(...(await evaluateVariants(model, group, { ...session, images: folder, onProgress })));
  }
  return results;
}

/** On how many images, in a sentence. */
export function imagesInWords(results: readonly EvaluationResult[], model: string): string {
  return `Ours: ${model} on ${results[0]?.images ?? 0} images; KL and agreement against the uncompressed network on the same images.`;
}
