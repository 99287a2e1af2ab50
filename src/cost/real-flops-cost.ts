/**
 * FLOPs as the compressed graph computes them, as a `Cost`, in 10⁹ multiply-accumulates: choosing
 * and merging tokens costs something, pruning before attention saves something, and a last block
 * of which only prefix tokens are read is nearly free. The paper's count (`flops-cost.ts`) knows
 * none of that. Methods and rules are compared at equal real FLOPs.
 *
 * A block costs what its graph holds (`graph-flops.ts`). It is built once for each kind of block
 * and each triple of token numbers.
 */
import { add } from '../graph/operators/index.ts';
import { inScope, input } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { canReadPrefixOnly, forwardFrom } from '../networks/forward.ts';
import type { Network } from '../networks/network.ts';
import type { Parameters } from '../nn/parameters.ts';
import { parameterRecorder } from '../networks/recorded-parameters.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import { effectiveTokens, uncompressed } from '../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers, ReductionRules } from '../reduction/schedule.ts';
import { smallestKept, tokenCount } from '../reduction/token-layout.ts';
import { sourceTraveller, withTraveller } from '../reduction/token-state.ts';
import type { TokenState } from '../reduction/token-state.ts';
import { priceByDifference, reachableRange } from './cost.ts';
import type { Cost } from './cost.ts';
import { flopsPerGflop } from './flops.ts';
import { countGraphFlops, matrixProductFlops } from './graph-flops.ts';

/**
 * Real FLOPs of a network under schedules with these rules. Fractional numbers count as the whole
 * ones that they round to.
 * @param rules how tokens merge and which of them go; by default as published.
 */
export function realFlopsCost(network: Network, rules: ReductionRules = {}): Cost {
  const tokens = tokenCount(network.layout);
  const known = new Map<string, number>();
  const flopsOf = (key: readonly unknown[], count: () => number): number => {
    const text = JSON.stringify(key);
    const flops = known.get(text) ?? count();
    known.set(text, flops);
    return flops;
  };
  const ofTokens = (kept: KeptNumbers): number => {
    // Tokens have sizes from the first block on that merged some.
    let sized = false;
    let left = tokens;
    let sum = 0;
    for (const [index, block] of effectiveTokens(rounded(kept), tokens, network.depth).entries()) {
      const { tokensIn, pruneKept, tokensOut } = block;
      const kind = [network.flops.blocks[index], network.span.first + index === network.blocks - 1];
      const before = stateOf(network, tokensIn, sized);
      sum += flopsOf([kind, tokensIn, pruneKept, tokensOut, sized], () =>
        graphFlopsOfBlock(network, index, block, before, rules),
      );
      sized ||= tokensOut < pruneKept;
      left = tokensOut;
    }
    return sum + flopsOf([left, sized], () => graphFlopsAfter(network, stateOf(network, left, sized)));
  };
  const plain = uncompressed(network.depth, tokens);
  const fixed = countGraphFlops(network, diffRate(plain, network)) - ofTokens(plain);
  const value = (kept: KeptNumbers): number => (fixed + ofTokens(kept)) / flopsPerGflop;
  return {
    unit: realFlopsUnit,
    baseline: countGraphFlops(network) / flopsPerGflop,
    fixed: fixed / flopsPerGflop,
    value,
    price: (kept, reach) =>
      priceByDifference(value, rounded(kept), reach, { smallest: smallestKept(network.layout), tokens }),
    reachable: (space) => reachableRange(value, space),
  };
}

/** The unit: not to be mistaken for the paper's count. */
export const realFlopsUnit = 'real GFLOPs';

const rounded = ({ pruneKept, mergeKept }: KeptNumbers): KeptNumbers => ({
  pruneKept: pruneKept.map(Math.round),
  mergeKept: mergeKept.map(Math.round),
});

/** Multiply-accumulates of one block of the span that does this to its tokens. */
function graphFlopsOfBlock(
  network: Network,
  index: number,
  block: EffectiveBlock,
  state: TokenState,
  rules: ReductionRules,
): number {
  const { tokensIn, pruneKept, tokensOut } = block;
  const numbers = (own: number): number[] =>
    Array.from({ length: network.depth }, (_, at) => (at < index ? tokensIn : at === index ? own : tokensOut));
  const kept = { pruneKept: numbers(pruneKept), mergeKept: numbers(tokensOut), ...rules };
  const reducer = diffRate(kept, network);
  const own = network.span.first + index;
  const context = {
    parameters: recorder(),
    reducer,
    reducedBlock: index,
    prefixOnly: canReadPrefixOnly(network, reducer, own),
    branch: (output: Tensor) => output,
  };
  const after = inScope(`blocks.${own}`, () => network.block(own, state, context));
  // Sizes are read by the next block.
  return matrixProductFlops(after.size === undefined ? after.features : add(after.features, after.size));
}

/** Multiply-accumulates after the last block of the span. */
function graphFlopsAfter(network: Network, state: TokenState): number {
  return matrixProductFlops(forwardFrom(network, state, recorder()).answer);
}

/** So many tokens between two blocks. */
function stateOf({ layout, width, restore }: Network, tokens: number, sized: boolean): TokenState {
  const features = input('features', 'float32', ['batch', tokens, width]);
  const size = sized ? input('size', 'float32', ['batch', tokens, 1]) : undefined;
  if (restore === undefined) return { features, size };
  const source = input('source', 'float32', ['batch', tokens, tokenCount(layout)]);
  return withTraveller({ features, size }, sourceTraveller, source, 'sum');
}

const recorder = (): Parameters => parameterRecorder((name) => name.endsWith('.bias'));
