/**
 * One block of a Vision Transformer (arXiv 2010.11929): attention, reduction, MLP. The token reducer is asked before the block, for the
 * queries, within attention and between attention and the MLP.
 */
import { DiffrateError } from '../errors.ts';
import { add, gather, matMul, slice, softmax, split } from '../graph/operators/index.ts';
import { constant, constantBytes, inScope, stopGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { joinHeads, proportionalLogits, splitHeads } from '../nn/attention.ts';
import type { BranchTransform } from '../nn/drop-path.ts';
import { layerNorm } from '../nn/layer-norm.ts';
import { linear, linearParameters } from '../nn/linear.ts';
import { mlp } from '../nn/mlp.ts';
import type { Parameters } from '../nn/parameters.ts';
import { softmaxAttention } from '../nn/softmax-attention.ts';
import type { AttentionView, TokenReducer } from '../reduction/token-reducer.ts';
import { gatherTokens } from '../reduction/token-state.ts';
import type { TokenState } from '../reduction/token-state.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';

/** Everything a block needs besides its tokens. */
export interface BlockContext {
  readonly configuration: VisionTransformerConfiguration;
  readonly parameters: Parameters;
  readonly reducer: TokenReducer;
  readonly index: number;
  readonly classTokenOnly: boolean;
  readonly branch: BranchTransform;
}

/** One transformer block: attention, reduction, MLP. The number of tokens may be a name where the reducer and the batch allow it. */
export function block(state: TokenState, context: BlockContext): TokenState {
  const { configuration, parameters, reducer, index } = context;
  const { width, hiddenWidth, layerNormEpsilon } = configuration;
  const before = inScope('reduction', () => reducer.beforeBlock?.(index, state) ?? state);
  const attended = inScope('attention', () => attentionResidual(before, context));
  const reduced = context.classTokenOnly
    ? attended.state
    : inScope('reduction', () => reducer.afterAttention?.(index, attended.state, attended.view) ?? attended.state);
  const features = inScope('mlp', () => {
    const normalized = layerNorm(reduced.features, parameters, `blocks.${index}.norm2`, width, layerNormEpsilon);
    const output = mlp(normalized, parameters, `blocks.${index}.mlp`, width, hiddenWidth);
    return add(reduced.features, context.branch(output, index, 'mlp'));
  });
  return { ...reduced, features };
}

/** Index of the class token. */
const classTokenIndex = constant(BigInt64Array.of(0n), [], 'int64');

/** `x + Attention(LN(x))` for the tokens that the reducer lets be queries. */
function attentionResidual(state: TokenState, context: BlockContext): { state: TokenState; view: AttentionView } {
  const { configuration, parameters, reducer, index, classTokenOnly } = context;
  const { width, heads, layerNormEpsilon } = configuration;
  const name = `blocks.${index}.attn`;
  const [queryPart, keyPart, valuePart] = queryKeyValue(parameters, name, width);
  const normalized = layerNorm(state.features, parameters, `blocks.${index}.norm1`, width, layerNormEpsilon);
  const project = (x: Tensor, part: LinearPart): Tensor => splitHeads(linear(x, part), heads);
  const keys = project(normalized, keyPart);
  const values = project(normalized, valuePart);
  const sizes = reducer.keySizes?.(index, state);
  // Sizes grow by similarities, which carry no gradient in DiffRate.
  const size = sizes === undefined ? undefined : stopGradient(sizes);
  let attended: TokenState = state;
  let queryInput = normalized;
  let probabilities: Tensor | undefined;
  let classRow: Tensor | undefined;
  const attentionOf = (queries: Tensor): Tensor => {
    const logits = proportionalLogits(queries, keys, size);
    return reducer.attentionWeights?.(index, state, logits) ?? softmax(logits);
  };
  const view: AttentionView = {
    heads,
    keys,
    values,
    classAttention() {
      classRow ??= gather(
        probabilities ?? inScope('class-attention', () => attentionOf(project(slice(normalized, 1, 0, 1), queryPart))),
        classTokenIndex,
        2,
      );
      return classRow;
    },
    probabilities() {
      if (probabilities === undefined) {
        throw new DiffrateError(`The attention map of block ${index} is not there yet; ask for it after attention.`);
      }
      return probabilities;
    },
  };
  if (classTokenOnly) {
    attended = { features: slice(state.features, 1, 0, 1) };
    queryInput = slice(normalized, 1, 0, 1);
  } else {
    const selection = inScope('reduction', () => reducer.selectQueries?.(index, state, view));
    if (selection !== undefined) {
      const chosen = inScope('reduction/gather', () => gatherTokens(state, selection.indices));
      attended = { ...chosen, mask: selection.mask ?? chosen.mask };
      queryInput = inScope(
        'reduction/gather',
        () => gatherTokens({ features: normalized }, selection.indices).features,
      );
    }
  }
  const queries = project(queryInput, queryPart);
  const custom = reducer.attend?.(index, state, queries, keys, values);
  let output: Tensor;
  if (custom === undefined) {
    const logits = proportionalLogits(queries, keys, size);
    const weights = reducer.attentionWeights?.(index, state, logits);
    if (weights === undefined) ({ probabilities, output } = softmaxAttention(logits, values));
    else [probabilities, output] = [weights, matMul(weights, values)];
  } else {
    output = custom.output;
    classRow = custom.classAttention;
  }
  const projected = linear(joinHeads(output), linearParameters(parameters, `${name}.proj`, width, width));
  return {
    state: { ...attended, features: add(attended.features, context.branch(projected, index, 'attention')) },
    view,
  };
}

interface LinearPart {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/** The fused weight `[3C, C]` as three: three matrix products are faster than one and a transposition in five axes. Of constants they are views. */
function queryKeyValue(
  parameters: Parameters,
  name: string,
  width: number,
): readonly [LinearPart, LinearPart, LinearPart] {
  const fused = linearParameters(parameters, `${name}.qkv`, width, 3 * width);
  const thirds = (x: Tensor): readonly Tensor[] =>
    constantBytes(x) === undefined
      ? split(x, 0, [width, width, width])
      : [0, 1, 2].map((index) => slice(x, 0, index * width, (index + 1) * width));
  const weights = thirds(fused.weight);
  const biases = fused.bias === undefined ? [] : thirds(fused.bias);
  const part = (index: number): LinearPart => ({ weight: weights[index] as Tensor, bias: biases[index] });
  return [part(0), part(1), part(2)];
}
