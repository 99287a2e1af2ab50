/**
 * The graph of one search step: masked network, loss against soft targets, and the gradient of
 * every block's mask.
 */
import { gradients } from '../graph/gradients/index.ts';
import { lower } from '../graph/lower.ts';
import { mul } from '../graph/operators/index.ts';
import { input } from '../graph/tensor.ts';
import type { ReductionRules } from '../reduction/schedule.ts';
import type { Tensor } from '../graph/tensor.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Objective } from '../objectives/objective.ts';
import type { OnnxModel } from '../onnx/model.ts';
import { diffRateSearch } from '../reduction/methods/diffrate-search.ts';
import type { SearchedBlock } from '../reduction/methods/diffrate-search.ts';
import type { BuiltNetwork } from './network-session.ts';

/** The step as a model, and what its inputs mean. */
export interface StepGraph {
  readonly model: OnnxModel;
  /** Blocks whose masks are inputs, in order. */
  readonly blocks: readonly SearchedBlock[];
}

/**
 * Builds the step. Outputs: `loss` (the objective's, mean over images, with `targets [B, T]`),
 * `answer [B, D]`, and per searched block `blocks.L.mask_gradient [N]`, the gradient of the loss
 * with respect to the mask by sorted position, summed over images, and
 * `blocks.L.source_gradient [S]`, that with respect to the source weights.
 */
export function buildStepGraph(
  { network, parameters }: BuiltNetwork,
  objective: Objective,
  searched: readonly number[],
  toThemselves: boolean,
  rules: ReductionRules = {},
): StepGraph {
  const pixels = pixelInput(network);
  const targets = input('targets', 'float32', ['batch', objective.targetSize]);
  const { reducer, blocks } = diffRateSearch(network, { searched, toThemselves, rules });
  const { answer } = forward(network, pixels, { parameters, reducer, prefixOnlyLastBlock: true });
  const loss = objective.loss(answer, targets);
  const wanted = blocks.flatMap(({ block, mask, sourceWeight }) => [
    { name: `blocks.${block}.mask_gradient`, of: mask },
    { name: `blocks.${block}.source_gradient`, of: sourceWeight },
  ]);
  const found = gradients(
    loss,
    wanted.map(({ of }) => of),
  );
  const outputs: Record<string, Tensor> = { loss, answer };
  wanted.forEach(({ name, of }, index) => {
    outputs[name] = found[index] ?? mul(of, 0);
  });
  const inputs = blocks.flatMap(({ mask, destinations, sourceStart, sourceEnd, sourceWeight, pruneKept, sure }) => [
    mask,
    destinations,
    sourceStart,
    sourceEnd,
    sourceWeight,
    ...(pruneKept === undefined || sure === undefined ? [] : [pruneKept, sure]),
  ]);
  return { model: lower(outputs, [pixels, targets, ...inputs]), blocks };
}
