/**
 * Where a network gets its parameters: constants of a checkpoint, inputs of a training step, or
 * random ones in tests.
 */
import type { Tensor } from '../graph/tensor.ts';

/** Parameters by canonical (timm) name. */
export interface Parameters {
  /**
   * The parameter of that name.
   * @param shape that the network needs.
   * @throws {DiffrateError} if it is missing or has another shape, naming it and both shapes.
   */
  tensor(name: string, shape: readonly number[]): Tensor;
  /** Whether there is a parameter of that name. */
  has(name: string): boolean;
}
