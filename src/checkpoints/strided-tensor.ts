/**
 * Strided windows on a flat storage (PyTorch's tensor layout: element `i` of dimension `d` lies
 * `i · stride_d` elements on) made row-major: without a copy where they are so already, else
 * gathered.
 */
import { elementCount } from './weights.ts';

/**
 * Gathers windows under a common limit on copied bytes, since a small file can describe any number
 * of large windows.
 */
export class TensorGatherer {
  #copyBudget: number;

  /** @param copyBudget bytes that all gathered copies together may take */
  constructor(copyBudget: number) {
    this.#copyBudget = copyBudget;
  }

  /**
   * Row-major bytes of the window; a view of `storage` where the window is contiguous.
   * `undefined` where it leaves the storage, or the copies exceed the budget.
   * @param size bytes per element
   * @param offset first element of the window
   * @param strides elements between neighbours, per dimension of `shape`
   */
  gather(
    storage: Uint8Array,
    size: number,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ): Uint8Array | undefined {
    const count = elementCount(shape);
    if (count === undefined) return undefined;
    if (count === 0) return storage.subarray(0, 0);
    const last = shape.reduce((sum, dimension, axis) => sum + (dimension - 1) * (strides[axis] ?? 0), offset);
    if (!Number.isSafeInteger(last) || (last + 1) * size > storage.byteLength) return undefined;
    if (isContiguous(shape, strides)) return storage.subarray(offset * size, (offset + count) * size);
    this.#copyBudget -= count * size;
    return this.#copyBudget < 0 ? undefined : copyWindow(storage, size, offset, shape, strides, count);
  }
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const dimension = shape[axis] ?? 1;
    // The stride of a dimension of 1 is never used and may be anything.
    if (dimension !== 1 && strides[axis] !== expected) return false;
    expected *= dimension;
  }
  return true;
}

function copyWindow(
  storage: Uint8Array,
  size: number,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  count: number,
): Uint8Array {
  const gathered = new Uint8Array(count * size);
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < count; to += 1) {
    for (let byte = 0; byte < size; byte += 1) gathered[to * size + byte] = storage[from * size + byte] ?? 0;
    // Count the index up by one, innermost dimension first, carrying over.
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const next = (index[axis] ?? 0) + 1;
      const stride = strides[axis] ?? 0;
      if (next < (shape[axis] ?? 1)) {
        index[axis] = next;
        from += stride;
        break;
      }
      index[axis] = 0;
      from -= (next - 1) * stride;
    }
  }
  return gathered;
}
