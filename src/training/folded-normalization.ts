/**
 * Layer norms whose scale and bias are folded into the linear layer behind them. Every norm of a Vision Transformer feeds linear layers
 * only, and `W·(x̂∘s + b) + c = (W∘s)·x̂ + (W·b + c)`: the network computes the same, but scale and bias work on a weight matrix of
 * `[out, C]` instead of on all tokens. The backward pass then needs neither the scaled gradient nor sums over all tokens for
 * scale and bias, and the norm's own output is the x̂ that its backward pass reads.
 */
import { add, matMul, mul, reshape } from '../graph/operators/index.ts';
import { constant } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { VisionTransformerConfiguration } from '../models/configuration.ts';
import type { Parameters } from '../nn/parameters.ts';

/** The same network in terms of folded parameters: norms get ones and zeros, the linear layers behind them what is missing. */
export function foldNormalization(parameters: Parameters, configuration: VisionTransformerConfiguration): Parameters {
  const { width, depth, pool, classes } = configuration;
  const normBefore = new Map<string, string>();
  for (let block = 0; block < depth; block++) {
    normBefore.set(`blocks.${block}.attn.qkv`, `blocks.${block}.norm1`);
    normBefore.set(`blocks.${block}.mlp.fc1`, `blocks.${block}.norm2`);
  }
  if (classes > 0) normBefore.set('head', pool === 'mean' ? 'fc_norm' : 'norm');
  const folded = new Set(normBefore.values());
  const built = new Map<string, Tensor>();
  const unit = constant(new Float32Array(width).fill(1), [width], 'float32');
  const none = constant(new Float32Array(width), [width], 'float32');

  const fold = (name: string, part: string, norm: string, shape: readonly number[]): Tensor => {
    const [outputs = 1] = shape;
    const weight = parameters.tensor(`${name}.weight`, [outputs, width]);
    if (part === 'weight') return mul(weight, parameters.tensor(`${norm}.weight`, [width]));
    const shift = reshape(parameters.tensor(`${norm}.bias`, [width]), [width, 1]);
    const moved = reshape(matMul(weight, shift), [outputs]);
    return parameters.has(`${name}.bias`) ? add(moved, parameters.tensor(`${name}.bias`, shape)) : moved;
  };

  return {
    // A folded layer has a bias, whatever the checkpoint has.
    has: (name) => parameters.has(name) || (name.endsWith('.bias') && normBefore.has(name.slice(0, -'.bias'.length))),
    tensor(name, shape) {
      const known = built.get(name);
      if (known !== undefined) return known;
      const [, layer = '', part = ''] = /^(.*)\.(weight|bias)$/.exec(name) ?? [];
      const norm = normBefore.get(layer);
      let tensor: Tensor;
      if (folded.has(layer)) tensor = part === 'weight' ? unit : none;
      else if (norm === undefined) tensor = parameters.tensor(name, shape);
      else tensor = fold(layer, part, norm, shape);
      built.set(name, tensor);
      return tensor;
    },
  };
}
