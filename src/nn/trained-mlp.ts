/**
 * The perceptron of a transformer block with a backward pass of its own, for weights that are
 * trained. Its hidden activations are by far the largest tensors of a training step, so the number
 * of passes over them counts. The derivative of GELU takes eleven passes in ONNX operators. Here it
 * is a central difference of the fused operator, `(gelu(x + h) − gelu(x − h)) / 2h`, in four: at
 * `h = 1/64` it is off by `h²/6·|gelu‴|`, at most 4e-5, and by rounding by some 1e-5 (the
 * derivative itself goes from −0.13 to 1.13). The bias goes into the activation, and 1/2h into a
 * matrix product.
 */
import { add, biasGelu, gemm, matMul, mul, reduceSum, sub, transpose } from '../graph/operators/index.ts';
import { customGradient } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { LinearParameters } from './linear.ts';

/** Half the distance of the difference; a power of two, so that scaling by it rounds nothing. */
const halfStep = 1 / 64;

const turned = (x: Tensor): Tensor => transpose(x, [1, 0]);

/**
 * `gelu(x·W₁ᵀ + b₁)·W₂ᵀ + b₂`
 * @param x `[M, C]`
 * @param firstWeight `[hidden, C]`, with `firstBias [hidden]`
 */
export function trainedMlp(x: Tensor, firstWeight: Tensor, firstBias: Tensor, second: LinearParameters): Tensor {
  const expanded = gemm(x, firstWeight, undefined, true);
  const activated = biasGelu(expanded, firstBias);
  const value = gemm(activated, second.weight, second.bias, true);
  const inputs = [x, firstWeight, firstBias, second.weight, ...(second.bias === undefined ? [] : [second.bias])];
  return customGradient(value, inputs, (gradient) => {
    const difference = sub(biasGelu(expanded, add(firstBias, halfStep)), biasGelu(expanded, sub(firstBias, halfStep)));
    const toExpanded = mul(gemm(gradient, second.weight, undefined, false, 1 / (2 * halfStep)), difference);
    return [
      gemm(toExpanded, firstWeight, undefined),
      matMul(turned(toExpanded), x),
      reduceSum(toExpanded, [0]),
      matMul(turned(gradient), activated),
      reduceSum(gradient, [0]),
    ].slice(0, inputs.length);
  });
}
