/** A written model whose answers are wrong: its classifier's weights are multiplied by a number. */
import { decodeModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';

/**
 * The same file with another classifier.
 * @param factor of every weight; NaN spoils all answers
 */
export function changedHead(bytes: Uint8Array, factor: number): Uint8Array {
  const model = decodeModel(Uint8Array.from(bytes));
  const initializers = model.initializers.map((tensor) => {
    if (!tensor.name.startsWith('head.weight')) return tensor;
    if (tensor.type === 'float16') {
      const halves = new Uint16Array(tensor.bytes.slice().buffer);
      // The sign is the first bit; a NaN has all bits of the exponent.
      for (const [index, half] of halves.entries()) halves[index] = Number.isNaN(factor) ? 0x7e00 : half ^ 0x8000;
      return { ...tensor, bytes: new Uint8Array(halves.buffer) };
    }
    const floats = new Float32Array(tensor.bytes.slice().buffer);
    for (const [index, value] of floats.entries()) floats[index] = value * factor;
    return { ...tensor, bytes: new Uint8Array(floats.buffer) };
  });
  return Buffer.concat(encodeModel({ ...model, initializers }).model);
}
