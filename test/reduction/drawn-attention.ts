/**
 * A block's attention drawn at random, as a reducer sees it, with values to feed and the metrics in
 * plain loops.
 */
import type { RandomGenerator } from '../../src/data/random.ts';
import { reduceMean, reshape } from '../../src/graph/operators/index.ts';
import { input } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { ImportanceMetric } from '../../src/reduction/importance.ts';
import type { AttendedView } from '../../src/reduction/token-reducer.ts';
import { elementAt, fromPositions } from '../graph/float64-array.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';

/** Images in every drawn value. */
export const batch = 2;

const heads = 2;

/** What is drawn. */
export interface DrawnAttention {
  readonly view: AttendedView;
  /** Values of all inputs so far. */
  readonly feeds: Map<Tensor, Float64Tensor>;
  /** One more input, and its values. */
  fed(name: string, shape: readonly number[], element: (position: readonly number[]) => number): Tensor;
  /** Importance of a token by any metric but `random`. */
  scores(metric: ImportanceMetric, image: number, token: number): number;
}

/** Attention of `tokens` tokens of `width` channels. */
export function drawnAttention(random: RandomGenerator, tokens: number, width: number): DrawnAttention {
  const perHead = width / heads;
  const feeds = new Map<Tensor, Float64Tensor>();
  const fed = (name: string, shape: readonly number[], element: (position: readonly number[]) => number): Tensor => {
    const symbol = input(name, 'float32', shape);
    feeds.set(symbol, fromPositions(shape, element));
    return symbol;
  };
  const keys = fed('keys', [batch, heads, tokens, perHead], () => random.normal());
  const values = fed('values', [batch, heads, tokens, perHead], () => random.normal());
  const normalized = fed('normalized', [batch, tokens, width], () => random.normal());
  const classRow = fed('class', [batch, heads, tokens], () => random.uniform());
  const map = fed('map', [batch, heads, tokens, tokens], () => random.uniform());
  const view: AttendedView = {
    heads,
    keys,
    values,
    normalized,
    classAttention: () => classRow,
    probabilities: () => map,
    attentionReceived: () => reshape(reduceMean(map, [1, 2]), [batch, tokens, 1]),
  };
  const of = (symbol: Tensor): Float64Tensor => feeds.get(symbol) as Float64Tensor;
  const scores = (metric: ImportanceMetric, image: number, token: number): number => {
    let sum = 0;
    for (let head = 0; head < heads; head++) {
      const own = elementAt(of(classRow), [image, head, token]);
      if (metric === 'image-attention') {
        for (let row = 0; row < tokens; row++) sum += elementAt(of(map), [image, head, row, token]) / tokens;
      } else if (metric === 'class-attention-value') {
        const norm = Math.hypot(
          ...Array.from({ length: perHead }, (_, d) => elementAt(of(values), [image, head, token, d])),
        );
        sum += own * norm;
      } else sum += own;
    }
    return sum / heads;
  };
  return { view, feeds, fed, scores };
}
