/**
 * The default search: every proxy is one number, its kept tokens μ, and the budget is kept exactly in every step.
 *
 * The mask's gradient around a cut says what one more token there is worth, in nats; divided by what a token costs it is the
 * block's marginal utility u. At the best schedule all utilities are equal (to the multiplier λ of the budget), so each μ moves by
 * `(u − λ) / spread`, at most some tokens, and λ is the number for which the moved schedule costs just the target, found by
 * bisection. Nothing swings, nothing needs a weight between loss and cost. It starts from a uniform rate at the target.
 */
import { DiffrateError } from '../../errors.ts';
import type { Cost } from '../../cost/cost.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { cosine } from '../adamw.ts';
import type { PositionRecipe } from '../presets.ts';
import { PositionProxy } from '../proxies/position-proxy.ts';
import type { StepResult } from '../search-step.ts';
import type { LearnerNetwork } from './candidate-learner.ts';
import type { Learner, LearnerState } from './learner.ts';

/** Least tokens after merging (the class token and one destination) and after pruning (one more, to be a source). */
const smallest = { prune: 3, merge: 2 } as const;

/** How far above the live number a proxy that removes nothing may wait, in tokens. */
const slack = 2;

const bisections = 60;

type Kind = keyof typeof smallest;

interface LearntNumber {
  readonly block: number;
  readonly kind: Kind;
  readonly proxy: PositionProxy;
  /** Running mean and mean square of the worth of one more token, and how many steps went in. */
  mean: number;
  square: number;
  count: number;
  /** Running average of μ. */
  average: number;
}

/** Learner of single-number proxies under an exact budget. */
export class PositionLearner implements Learner {
  readonly #network: LearnerNetwork;
  readonly #cost: Cost;
  readonly #target: number;
  readonly #recipe: PositionRecipe;
  readonly #fixed: KeptNumbers;
  readonly #numbers: readonly LearntNumber[];

  /**
   * @param fixed kept numbers of the blocks that are not searched.
   * @throws {DiffrateError} if the searched blocks cannot reach the target.
   */
  constructor(network: LearnerNetwork, fixed: KeptNumbers, cost: Cost, target: number, recipe: PositionRecipe) {
    this.#network = network;
    this.#fixed = fixed;
    this.#cost = cost;
    this.#target = target;
    this.#recipe = recipe;
    const start = this.#uniformRate();
    this.#numbers = network.searched.flatMap((block) =>
      (['prune', 'merge'] as const).map((kind): LearntNumber => {
        const value = start[`${kind}Kept`][block] ?? network.tokens;
        const proxy = new PositionProxy(value, recipe.temperature.start, smallest[kind], network.tokens);
        return { block, kind, proxy, mean: 0, square: 0, count: 0, average: value };
      }),
    );
  }

  kept(): KeptNumbers {
    return this.#withNumbers(({ proxy }) => proxy.keptNumber());
  }

  update(result: StepResult, progress: number): void {
    const { stepTokens, temperature, averagedSteps } = this.#recipe;
    this.#observe(result);
    const price = this.#pricePerToken();
    const spread = this.#spread(price);
    const reach = cosine(stepTokens.start, stepTokens.end, progress);
    const moved = (multiplier: number, number: LearntNumber): number => {
      const pull = (this.#worth(number) / price(number) - multiplier) / spread;
      return this.#clamp(number, this.#value(number) + reach * Math.max(-1, Math.min(1, pull)));
    };
    const multiplier = this.#multiplierFor(spread, moved);
    const next = this.#numbers.map((number) => moved(multiplier, number));
    this.#numbers.forEach(({ proxy }, index) => {
      proxy.parameters[0] = next[index] ?? 0;
      proxy.temperature = temperature.start + (temperature.end - temperature.start) * progress;
    });
    this.#keepNearLive();
    for (const number of this.#numbers) number.average += (this.#value(number) - number.average) / averagedSteps;
  }

  finish(): KeptNumbers {
    const shifted = (offset: number): KeptNumbers => this.#withNumbers((number) => Math.round(this.#clamp(number, number.average + offset)));
    let [low, high] = [-this.#network.tokens, this.#network.tokens];
    for (let step = 0; step < bisections; step++) {
      const middle = (low + high) / 2;
      if (this.#cost.value(shifted(middle)) > this.#target) high = middle;
      else low = middle;
    }
    return this.#spendRest(shifted(low));
  }

  save(): LearnerState {
    const of = (value: (number: LearntNumber) => number): number[] => this.#numbers.map(value);
    return {
      value: of((number) => this.#value(number)),
      temperature: this.#numbers[0]?.proxy.temperature ?? 0,
      mean: of(({ mean }) => mean),
      square: of(({ square }) => square),
      count: of(({ count }) => count),
      average: of(({ average }) => average),
    };
  }

  restore(state: LearnerState): void {
    const entry = (name: string, index: number): number => (state[name] as readonly number[])[index] ?? 0;
    this.#numbers.forEach((number, index) => {
      number.proxy.parameters[0] = entry('value', index);
      number.proxy.temperature = Number(state['temperature']);
      number.mean = entry('mean', index);
      number.square = entry('square', index);
      number.count = entry('count', index);
      number.average = entry('average', index);
    });
  }

  #value({ proxy }: LearntNumber): number {
    return proxy.parameters[0] ?? 0;
  }

  #clamp({ kind }: LearntNumber, value: number): number {
    return Math.min(this.#network.tokens, Math.max(smallest[kind], value));
  }

  #withNumbers(value: (number: LearntNumber) => number): KeptNumbers {
    const kept = { pruneKept: [...this.#fixed.pruneKept], mergeKept: [...this.#fixed.mergeKept] };
    for (const number of this.#numbers) kept[`${number.kind}Kept`][number.block] = value(number);
    return kept;
  }

  /** Running means of the worth of one more token: nothing where a proxy took no part, so that only its price moves it. */
  #observe(result: StepResult): void {
    const { gradientDecay, squareDecay } = this.#recipe;
    for (const number of this.#numbers) {
      const mask = result.gradients.find(({ block }) => block === number.block)?.[number.kind];
      const worth = -(number.proxy.gradient(mask, 0)[0] ?? 0);
      number.count += 1;
      number.mean = gradientDecay * number.mean + (1 - gradientDecay) * worth;
      number.square = squareDecay * number.square + (1 - squareDecay) * worth * worth;
    }
  }

  /** Worth of one more token, in nats, without the bias of a young running mean. */
  #worth({ mean, count }: LearntNumber): number {
    return count === 0 ? 0 : mean / (1 - this.#recipe.gradientDecay ** count);
  }

  /** What a token costs where a number cuts, in the cost's unit. */
  #pricePerToken(): (number: LearntNumber) => number {
    const gradient = this.#cost.gradient(this.kept());
    return ({ block, kind }) => gradient[kind][block] ?? 1;
  }

  /** Root mean square of utilities, averaged over the numbers that were seen. */
  #spread(price: (number: LearntNumber) => number): number {
    const seen = this.#numbers.filter(({ count }) => count > 0);
    if (seen.length === 0) return 1;
    const size = (number: LearntNumber): number => Math.sqrt(number.square / (1 - this.#recipe.squareDecay ** number.count)) / price(number);
    const spread = seen.reduce((sum, number) => sum + size(number), 0) / seen.length;
    // All gradients can be 0 (a network that ignores its tokens): then only the budget moves anything.
    return spread > 0 ? spread : 1;
  }

  #multiplierFor(spread: number, moved: (multiplier: number, number: LearntNumber) => number): number {
    let [low, high] = [-1e3 * spread, 1e3 * spread];
    for (let step = 0; step < bisections; step++) {
      const middle = (low + high) / 2;
      if (this.#cost.value(this.#withNumbers((number) => moved(middle, number))) > this.#target) low = middle;
      else high = middle;
    }
    return high;
  }

  /** Numbers above the live one remove nothing; they wait just above it, so that they take part again when it rises. */
  #keepNearLive(): void {
    let live = this.#network.tokens;
    for (const number of this.#numbers) {
      number.proxy.parameters[0] = Math.min(this.#value(number), live + slack);
      live = Math.min(live, this.#value(number));
    }
  }

  /** Every searched block keeps the same share; half of what goes is pruned, half merged. */
  #uniformRate(): KeptNumbers {
    const { tokens, searched } = this.#network;
    const at = (rate: number): KeptNumbers => {
      const kept = { pruneKept: [...this.#fixed.pruneKept], mergeKept: [...this.#fixed.mergeKept] };
      let live = tokens;
      for (const block of searched) {
        const left = Math.max(smallest.merge, live * rate);
        kept.pruneKept[block] = Math.max(smallest.prune, (live + left) / 2);
        kept.mergeKept[block] = left;
        live = left;
      }
      return kept;
    };
    let [low, high] = [0, 1];
    if (this.#cost.value(at(low)) > this.#target) {
      throw new DiffrateError(`The target ${this.#target} ${this.#cost.unit} is below the least reachable cost, ${this.#cost.value(at(low)).toPrecision(4)}; raise it.`);
    }
    for (let step = 0; step < bisections; step++) {
      const middle = (low + high) / 2;
      if (this.#cost.value(at(middle)) > this.#target) high = middle;
      else low = middle;
    }
    return at(low);
  }

  /** Gives what rounding left of the budget to the numbers where a token is worth most for its price. */
  #spendRest(kept: KeptNumbers): KeptNumbers {
    const price = this.#pricePerToken();
    const order = [...this.#numbers].sort((a, b) => this.#worth(b) / price(b) - this.#worth(a) / price(a));
    const result = { pruneKept: [...kept.pruneKept], mergeKept: [...kept.mergeKept] };
    for (const { block, kind } of order) {
      const list = result[`${kind}Kept`];
      const before = list[block] ?? 0;
      list[block] = Math.min(this.#network.tokens, before + 1);
      if (this.#cost.value(result) > this.#target) list[block] = before;
    }
    return result;
  }
}
