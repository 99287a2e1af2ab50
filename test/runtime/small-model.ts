/** Models of two or three nodes for tests of runtimes. */
import { lower } from '../../src/graph/lower.ts';
import { add, cast, gather, mul, neg } from '../../src/graph/operators/index.ts';
import { constant, input } from '../../src/graph/tensor.ts';
import type { OnnxModel } from '../../src/onnx/model.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';

/** `sum = x + w`, `product = x · w` with `x [batch, width]` and `w = 10, 20, …`. */
export function smallModel(width = 2): OnnxModel {
  const x = input('x', 'float32', ['batch', width]);
  const weight = constant(
    Float32Array.from({ length: width }, (_, index) => 10 * (index + 1)),
    [width],
    'float32',
    'weight',
  );
  return lower({ sum: add(x, weight), product: mul(x, weight) }, [x]);
}

/** Rows of two to feed the small model. */
export function smallModelFeeds(...rows: readonly (readonly [number, number])[]): Record<string, RuntimeTensor> {
  return { x: floats(Float32Array.from(rows.flat()), [rows.length, 2]) };
}

/** Inputs and outputs of int64, bool and float16. */
export function typesModel(): OnnxModel {
  const index = input('index', 'int64', ['n']);
  const flag = input('flag', 'bool', ['n']);
  const half = input('half', 'float16', ['n']);
  const table = constant(BigInt64Array.of(7n, 8n, 9n), [3], 'int64');
  return lower({ taken: gather(table, index, 0), chosen: cast(flag, 'float32'), negated: neg(half) }, [
    index,
    flag,
    half,
  ]);
}
