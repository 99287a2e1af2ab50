/** The graph of one search step: masked network, loss against soft targets, and the gradient of every block's mask. */
import { gradients } from '../graph/gradients/index.ts';
import { lower } from '../graph/lower.ts';
import { mul } from '../graph/operators/index.ts';
import { input } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { tokenCount } from '../models/configuration.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import { visionTransformer } from '../models/vision-transformer.ts';
import { crossEntropy } from '../nn/cross-entropy.ts';
import type { Parameters } from '../nn/parameters.ts';
import { diffRateSearch } from '../reduction/methods/diffrate-search.ts';
import type { SearchedBlock } from '../reduction/methods/diffrate-search.ts';

/** The step as a model, and what its inputs mean. */
export interface StepGraph {
  readonly model: OnnxModel;
  /** Blocks whose masks are inputs, in order. */
  readonly blocks: readonly SearchedBlock[];
}

/**
 * Builds the step.
 * Outputs: `loss` (mean cross-entropy with `targets [B, classes]`), `logits`, and per searched block `blocks.L.mask_gradient [N]`,
 * the gradient of the loss with respect to the mask by sorted position, summed over images, and `blocks.L.source_gradient [S]`, that
 * with respect to the source weights.
 */
export function buildStepGraph(
  configuration: VisionTransformerConfiguration,
  parameters: Parameters,
  searched: readonly number[],
  toThemselves: boolean,
): StepGraph {
  const { inputSize, classes } = configuration;
  const pixels = input('pixel_values', 'float32', ['batch', 3, inputSize, inputSize]);
  const targets = input('targets', 'float32', ['batch', classes]);
  const { reducer, blocks } = diffRateSearch(tokenCount(configuration), { searched, toThemselves });
  const { logits } = visionTransformer(pixels, configuration, parameters, { reducer, classTokenOnlyLastBlock: true });
  const loss = crossEntropy(logits, targets);
  const wanted = blocks.flatMap(({ block, mask, sourceWeight }) => [
    { name: `blocks.${block}.mask_gradient`, of: mask },
    { name: `blocks.${block}.source_gradient`, of: sourceWeight },
  ]);
  const found = gradients(
    loss,
    wanted.map(({ of }) => of),
  );
  const outputs: Record<string, Tensor> = { loss, logits };
  wanted.forEach(({ name, of }, index) => {
    outputs[name] = found[index] ?? mul(of, 0);
  });
  const inputs = blocks.flatMap(({ mask, destinations, sourceStart, sourceEnd, sourceWeight }) => [
    mask,
    destinations,
    sourceStart,
    sourceEnd,
    sourceWeight,
  ]);
  return { model: lower(outputs, [pixels, targets, ...inputs]), blocks };
}
