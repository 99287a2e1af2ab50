/**
 * Finds the value of a method's one cost-setting parameter at which its FLOPs are the largest that
 * a budget allows. FLOPs rise, or fall, with it, so this is a bisection. They are a step function:
 * of all values with the same FLOPs the shortest decimal is taken.
 */
import type { Knob } from '../reduction/methods/method.ts';
import type { MethodText } from '../reduction/methods/method-text.ts';
import { buildMethod } from '../reduction/methods/registry.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import type { NetworkShape } from '../reduction/network-shape.ts';
import type { MethodCost } from './method-cost.ts';

/** A method at a budget. */
export interface FittedMethod {
  readonly method: NamedMethod;
  /** By the paper's count, of a ragged method the mean over the calibration sample. */
  readonly gflops: number;
}

/** Where even the strongest setting costs more than the budget: what that one costs. */
export interface OutOfReach {
  readonly leastGflops: number;
}

/**
 * Halvings of the range of a parameter with fractions that need no run of the network, and of one
 * that does.
 */
const halvings = { counted: 40, measured: 9 } as const;

/** Fits one method to budgets; what was counted for one budget is remembered for the next. */
export class MethodFit {
  readonly #text: MethodText;
  readonly #knob: Knob;
  readonly #network: NetworkShape;
  readonly #cost: MethodCost;
  readonly #known = new Map<number, FittedMethod>();

  constructor(text: MethodText, knob: Knob, network: NetworkShape, cost: MethodCost) {
    this.#text = text;
    this.#knob = knob;
    this.#network = network;
    this.#cost = cost;
  }

  /** The method at the largest FLOPs within the budget. */
  async fit(gflops: number): Promise<FittedMethod | OutOfReach> {
    const { min, max, rising, whole = false } = this.#knob;
    const [least, most] = [min(this.#network), max(this.#network)];
    let [cheap, dear] = rising ? [least, most] : [most, least];
    let best = await this.#at(cheap);
    if (best.gflops > gflops) return { leastGflops: best.gflops };
    const dearest = await this.#at(dear);
    if (dearest.gflops <= gflops) return dearest;
    // Whole numbers are few: halving ends where two of them are neighbours.
    const measured = this.#text.method.ragged === true && !whole;
    const turns = measured ? halvings.measured : halvings.counted;
    for (let turn = 0; turn < turns; turn++) {
      const middle = whole ? Math.round((cheap + dear) / 2) : (cheap + dear) / 2;
      if (middle === cheap || middle === dear) break;
      const found = await this.#at(middle);
      if (found.gflops > gflops) {
        dear = middle;
      } else {
        cheap = middle;
        best = found;
      }
    }
    return whole ? best : this.#shortened(best, cheap, dear);
  }

  /** The shortest decimal near the value found that costs the same. */
  async #shortened(best: FittedMethod, value: number, dear: number): Promise<FittedMethod> {
    for (let digits = 1; digits <= 8; digits++) {
      // Rounded away from the value that costs too much.
      const scale = 10 ** digits;
      const rounded = (dear > value ? Math.floor(value * scale) : Math.ceil(value * scale)) / scale;
      if (rounded < this.#knob.min(this.#network) || rounded > this.#knob.max(this.#network)) continue;
      const found = await this.#at(rounded);
      if (Math.abs(found.gflops - best.gflops) <= best.gflops * 1e-9) return found;
    }
    return best;
  }

  async #at(value: number): Promise<FittedMethod> {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const { method, given } = this.#text;
    const isList = method.keys.find(({ name }) => name === this.#knob.key)?.kind === 'list';
    const text = { method, given: new Map([...given, [this.#knob.key, isList ? [value] : value]]) };
    const built = buildMethod(text, this.#network);
    const fitted = { method: built, gflops: await this.#cost.gflops(method, built) };
    this.#known.set(value, fitted);
    return fitted;
  }
}
