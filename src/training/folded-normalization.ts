/**
 * Layer norms whose scale and bias are folded into the linear layer behind them. A network names
 * those that feed one linear layer only, and there `W·(x̂∘s + b) + c = (W∘s)·x̂ + (W·b + c)`. It
 * computes the same, but scale and bias work on a weight matrix of `[out, C]` instead of on all
 * tokens. The backward pass then needs neither the scaled gradient nor sums over all tokens for
 * scale and bias. The norm's own output is the x̂ that its backward pass reads.
 */
import { add, matMul, mul, reshape } from '../graph/operators/index.ts';
import { constant } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Network } from '../networks/network.ts';
import { networkParameters } from '../networks/recorded-parameters.ts';
import type { Parameters } from '../nn/parameters.ts';

/**
 * The same network in terms of folded parameters:
 * norms get ones and zeros, the linear layers behind them what is missing.
 */
export function foldNormalization(parameters: Parameters, network: Network): Parameters {
  const normBefore = new Map(network.foldableNorms ?? []);
  const folded = new Set(normBefore.values());
  const shapes = new Map(networkParameters(network, parameters.has).map(({ name, shape }) => [name, shape]));
  const built = new Map<string, Tensor>();

  const fold = (name: string, part: string, norm: string, shape: readonly number[]): Tensor => {
    const [outputs = 1] = shape;
    const [, width = 1] = shapes.get(`${name}.weight`) ?? [];
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
      if (folded.has(layer)) tensor = filled(shape, part === 'weight' ? 1 : 0);
      else if (norm === undefined) tensor = parameters.tensor(name, shape);
      else tensor = fold(layer, part, norm, shape);
      built.set(name, tensor);
      return tensor;
    },
  };
}

const filled = ([size = 1]: readonly number[], value: number): Tensor =>
  constant(new Float32Array(size).fill(value), [size], 'float32');
