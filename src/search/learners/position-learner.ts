/**
 * The default search: every proxy is one number, its kept tokens μ, and the budget is kept exactly
 * in every step.
 *
 * A token at a sorted position is kept, merged or pruned. The step graph says what a token's
 * presence changes (the mask's gradient) and what its merging changes (the gradient of its source
 * weight), so both cuts of a block have an honest slope: one more token after pruning is merged
 * instead of lost, one more after merging stays itself instead of being merged. The published
 * proxies act on the mask alone and take merging for a loss of the token, nothing else.
 *
 * At the best schedule a token's worth is the same multiple λ of its price in every block. So each
 * μ moves by `(worth − λ·price) / spread`, at most some tokens, and λ is the number for which the
 * moved schedule costs just the target, found by bisection. Nothing swings, nothing needs a weight
 * between loss and cost. It starts from the same number of tokens in every block, and ends with the
 * averaged numbers of the time at which the running loss was lowest.
 */
import { formatCost } from '../../cost/cost.ts';
import type { Cost } from '../../cost/cost.ts';
import { DiffrateError } from '../../errors.ts';
import type { BlockGradients, StepResult } from '../../execution/gradient-step.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import type { SearchSpace } from '../../reduction/search-space.ts';
import { smallestKept, tokenCount } from '../../reduction/token-layout.ts';
import { cosine } from '../cosine.ts';
import type { PositionRecipe } from '../presets.ts';
import { withFreeTokens } from '../projection.ts';
import { PositionProxy } from '../proxies/position-proxy.ts';
import { vectorIn } from './learner.ts';
import type { Learner, LearnerState } from './learner.ts';
import { LowestLoss } from './lowest-loss.ts';

const bisections = 60;

/**
 * Of a token, over that of the dearest: with less it would stay on its step whatever the others
 * pay.
 */
const leastPrice = 0.01;

type Kind = 'prune' | 'merge';

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
  readonly #space: SearchSpace;
  readonly #tokens: number;
  readonly #cost: Cost;
  readonly #target: number;
  readonly #recipe: PositionRecipe;
  /**
   * Least tokens after merging (prefix tokens and one destination) and after pruning (one more, to
   * be a source).
   */
  readonly #smallest: Readonly<Record<Kind, number>>;
  readonly #numbers: readonly LearntNumber[];
  readonly #lowest: LowestLoss;

  /**
   * @param target in the cost's unit.
   * @throws {DiffrateError} if the searched blocks cannot reach the target.
   */
  constructor(space: SearchSpace, cost: Cost, target: number, recipe: PositionRecipe) {
    this.#space = space;
    this.#tokens = tokenCount(space.layout);
    const least = smallestKept(space.layout);
    this.#smallest = { prune: least + 1, merge: least };
    this.#cost = cost;
    this.#target = target;
    this.#recipe = recipe;
    this.#lowest = new LowestLoss(recipe.averagedSteps);
    const start = this.#uniformNumber();
    const kinds: readonly Kind[] = space.mergeOnly ? ['merge'] : ['prune', 'merge'];
    this.#numbers = space.searched.flatMap((block) =>
      kinds.map((kind): LearntNumber => {
        const value = start[`${kind}Kept`][block] ?? this.#tokens;
        const proxy = new PositionProxy(value, recipe.temperature.start, this.#smallest[kind], this.#tokens);
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
    const reach = cosine(stepTokens.start, stepTokens.end, progress);
    const price = this.#pricePerToken();
    const spread = this.#spread();
    const moved = (multiplier: number, number: LearntNumber): number => {
      const pull = (this.#worth(number) - multiplier * price(number)) / spread;
      return number.proxy.clamp(number.proxy.value + reach * Math.max(-1, Math.min(1, pull)));
    };
    const multiplier = this.#multiplierFor(spread / this.#largestPrice(price), moved);
    const next = this.#numbers.map((number) => moved(multiplier, number));
    this.#numbers.forEach(({ proxy }, index) => {
      proxy.value = next[index] ?? proxy.value;
      proxy.temperature = temperature.start + (temperature.end - temperature.start) * progress;
    });
    this.#keepInOrder();
    for (const number of this.#numbers) number.average += (number.proxy.value - number.average) / averagedSteps;
    this.#lowest.observe(
      result.loss,
      this.#numbers.map(({ average }) => average),
    );
  }

  get ended(): boolean {
    return this.#lowest.rises;
  }

  finish(): KeptNumbers {
    const best = this.#lowest.values;
    const settled = new Map(this.#numbers.map((number, index) => [number, best?.[index] ?? number.average]));
    const shifted = (offset: number): KeptNumbers =>
      this.#withNumbers((number) => Math.round(number.proxy.clamp((settled.get(number) ?? 0) + offset)));
    let [low, high] = [-this.#tokens, this.#tokens];
    for (let step = 0; step < bisections; step++) {
      const middle = (low + high) / 2;
      if (this.#cost.value(shifted(middle)) > this.#target) high = middle;
      else low = middle;
    }
    const context = { space: this.#space, cost: this.#cost, target: this.#target };
    return withFreeTokens(context, this.#spendRest(shifted(low)));
  }

  save(): LearnerState {
    const of = (value: (number: LearntNumber) => number): number[] => this.#numbers.map(value);
    return {
      value: of(({ proxy }) => proxy.value),
      temperature: this.#numbers[0]?.proxy.temperature ?? 0,
      mean: of(({ mean }) => mean),
      square: of(({ square }) => square),
      count: of(({ count }) => count),
      average: of(({ average }) => average),
      lowestLoss: this.#lowest.save(),
    };
  }

  restore(state: LearnerState): void {
    const entry = (name: string, index: number): number => vectorIn(state, name, this.#numbers.length)[index] as number;
    this.#numbers.forEach((number, index) => {
      number.proxy.value = entry('value', index);
      number.proxy.temperature = Number(state['temperature']);
      number.mean = entry('mean', index);
      number.square = entry('square', index);
      number.count = entry('count', index);
      number.average = entry('average', index);
    });
    this.#lowest.restore(vectorIn(state, 'lowestLoss'));
  }

  #withNumbers(value: (number: LearntNumber) => number): KeptNumbers {
    const kept = { pruneKept: [...this.#space.fixed.pruneKept], mergeKept: [...this.#space.fixed.mergeKept] };
    for (const number of this.#numbers) kept[`${number.kind}Kept`][number.block] = value(number);
    return kept;
  }

  /** Running means of the worth of one more token at every cut. */
  #observe(result: StepResult): void {
    const { gradientDecay, squareDecay } = this.#recipe;
    for (const number of this.#numbers) {
      const gradients = result.gradients.find(({ block }) => block === number.block);
      const worth = gradients === undefined ? 0 : this.#worthNow(number, gradients);
      number.count += 1;
      number.mean = gradientDecay * number.mean + (1 - gradientDecay) * worth;
      number.square = squareDecay * number.square + (1 - squareDecay) * worth * worth;
    }
  }

  /**
   * In nats: after pruning one more token is merged; after merging one more stays itself (or, where
   * none is merged, is there at all). Presence is known on both sides of the cut, merging only of
   * those that go.
   */
  #worthNow({ proxy, kind, block }: LearntNumber, { mask, merging, start, end }: BlockGradients): number {
    const at = (values: Float64Array, position: number): number => values[position] ?? 0;
    const merged = proxy.worthOfOneMore((position) => at(merging, position), start, end);
    if (kind === 'prune') return -merged;
    const present = proxy.worthOfOneMore((position) => -at(mask, position), this.#space.layout.prefix, end);
    // Where none is pruned, all that goes is merged.
    const pruned = this.#of(block, 'prune')?.proxy.keptNumber() ?? Infinity;
    return present + (pruned > proxy.keptNumber() ? merged : 0);
  }

  /** Worth of one more token, in nats, without the bias of a young running mean. */
  #worth({ mean, count }: LearntNumber): number {
    return count === 0 ? 0 : mean / (1 - this.#recipe.gradientDecay ** count);
  }

  /**
   * What one more token costs, in the cost's unit: after merging its price, after pruning nothing,
   * since it is merged then. It is a mean over as many tokens as the worth is. Where the cost has
   * wider steps than that, it is a small part of the others' price instead of nothing.
   */
  #pricePerToken(): (number: LearntNumber) => number {
    const prices = this.#cost.price(this.kept(), this.#numbers[0]?.proxy.temperature ?? 1);
    const largest = Math.max(...this.#space.searched.map((block) => prices[block] ?? 0));
    const least = largest > 0 ? leastPrice * largest : 1;
    return ({ block, kind }) => (kind === 'merge' ? Math.max(least, prices[block] ?? 0) : 0);
  }

  #largestPrice(price: (number: LearntNumber) => number): number {
    return Math.max(...this.#numbers.map(price), Number.MIN_VALUE);
  }

  /** Root mean square of the worths, averaged over all numbers. */
  #spread(): number {
    const size = ({ square, count }: LearntNumber): number =>
      Math.sqrt(square / (1 - this.#recipe.squareDecay ** count));
    const spread = this.#numbers.reduce((sum, number) => sum + size(number), 0) / this.#numbers.length;
    // All gradients can be 0 (a network that ignores its tokens): then only the budget moves
    // anything.
    return spread > 0 ? spread : 1;
  }

  #multiplierFor(scale: number, moved: (multiplier: number, number: LearntNumber) => number): number {
    let [low, high] = [-1e3 * scale, 1e3 * scale];
    for (let step = 0; step < bisections; step++) {
      const middle = (low + high) / 2;
      if (this.#cost.value(this.#withNumbers((number) => moved(middle, number))) > this.#target) low = middle;
      else high = middle;
    }
    return high;
  }

  /**
   * Pruning cannot keep more than there are, merging not more than pruning: each waits at the one
   * before it.
   */
  #keepInOrder(): void {
    let live = this.#tokens;
    for (const { proxy } of this.#numbers) {
      proxy.value = Math.min(proxy.value, live);
      live = proxy.value;
    }
  }

  #of(block: number, kind: Kind): LearntNumber | undefined {
    return this.#numbers.find((number) => number.block === block && number.kind === kind);
  }

  /**
   * Every searched block removes the same number of tokens, and merges them. That is nearer to a
   * good schedule than the same share in every block.
   */
  #uniformNumber(): KeptNumbers {
    const { searched, fixed } = this.#space;
    const tokens = this.#tokens;
    const at = (removed: number): KeptNumbers => {
      const kept = { pruneKept: [...fixed.pruneKept], mergeKept: [...fixed.mergeKept] };
      let live = tokens;
      for (const block of searched) {
        const left = Math.max(this.#smallest.merge, live - removed);
        kept.pruneKept[block] = Math.max(this.#smallest.prune, live);
        kept.mergeKept[block] = left;
        live = left;
      }
      return kept;
    };
    let [low, high] = [0, tokens];
    if (this.#cost.value(at(high)) > this.#target) {
      throw new DiffrateError(
        `The target ${this.#target} ${this.#cost.unit} is below the least reachable cost, ${formatCost(this.#cost.value(at(high)), this.#cost.unit)}; raise it.`,
      );
    }
    for (let step = 0; step < bisections; step++) {
      const middle = (low + high) / 2;
      if (this.#cost.value(at(middle)) > this.#target) low = middle;
      else high = middle;
    }
    return at(high);
  }

  /**
   * Gives what rounding left of the budget to the numbers where a token is worth most for its
   * price.
   */
  #spendRest(kept: KeptNumbers): KeptNumbers {
    const price = this.#pricePerToken();
    const value = (number: LearntNumber): number => this.#worth(number) / Math.max(price(number), Number.MIN_VALUE);
    const order = this.#numbers.filter(({ kind }) => kind === 'merge').sort((a, b) => value(b) - value(a));
    const result = { pruneKept: [...kept.pruneKept], mergeKept: [...kept.mergeKept] };
    for (const { block } of order) {
      const before = result.mergeKept[block] ?? 0;
      // Merging cannot keep more than pruning leaves.
      result.mergeKept[block] = Math.min(result.pruneKept[block] ?? before, before + 1);
      if (this.#cost.value(result) > this.#target) result.mergeKept[block] = before;
    }
    return result;
  }
}
