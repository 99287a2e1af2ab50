/**
 * Gradients of a search step against finite differences in float64. What carries no gradient
 * (attention as importance, the choice of destinations) is held at its value for the differences.
 */
import { describe, expect, it } from 'vitest';
import { blockMasks, maskFeeds } from '../../src/execution/masks.ts';
import { gradients } from '../../src/graph/gradients/index.ts';
import { mul, reduceSum } from '../../src/graph/operators/index.ts';
import { constant } from '../../src/graph/tensor.ts';
import type { ReductionRules } from '../../src/reduction/schedule.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { diffRateSearch } from '../../src/reduction/methods/diffrate-search.ts';
import type { SearchedBlock } from '../../src/reduction/methods/diffrate-search.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { tokenCount } from '../../src/reduction/token-layout.ts';
import type { Float64Tensor } from '../graph/float64-array.ts';
import { finiteDifferences, interpret } from '../graph/float64-interpreter.ts';
import { relativeError } from '../graph/run-graph.ts';
import { randomValues } from '../random-network.ts';
import { smallNetwork, smallWeights, tinySizes } from '../small-networks.ts';

const images = 1;
const network = smallNetwork(tinySizes);
const tokens = tokenCount(network.layout);
const searched = [0, 1];
const kept = { pruneKept: [tokens, tokens - 3, tokens], mergeKept: [tokens - 2, tokens - 5, tokens] };

const inputsOf = (block: SearchedBlock): Tensor[] =>
  Object.values(block).filter((member): member is Tensor => typeof member === 'object');

/** Every tensor of a graph whose gradient is stopped. */
function stopped(root: Tensor): Tensor[] {
  const seen = new Set<Tensor>();
  const found: Tensor[] = [];
  const visit = (tensor: Tensor): void => {
    if (seen.has(tensor)) return;
    seen.add(tensor);
    const { source } = tensor;
    if (source.kind === 'node') source.node.inputs.forEach((value) => value !== undefined && visit(value));
    if (source.kind !== 'custom') return;
    if (source.inputs.length === 0) found.push(tensor);
    visit(source.value);
  };
  visit(root);
  return found;
}

const cases: readonly (readonly [string, ReductionRules])[] = [
  ['patches', { merging: 'patches' }],
  ['dissimilarity', { merging: 'patches', selection: dissimilarity }],
  [
    'dissimilarity, plain means',
    { merging: 'patches', selection: { ...dissimilarity, power: 1, candidates: 1, weight: 0, norm: 0 } },
  ],
  [
    'dissimilarity, a share of the length',
    { merging: 'patches', selection: { ...dissimilarity, perSize: 1, weight: 1, norm: 0.8, coherence: 0.5 } },
  ],
];

describe.each(cases)('a search step with the rule %s', (_, rules) => {
  it.each([true, false])(
    'has the gradients of masks and source weights; removed tokens see themselves: %s',
    (toThemselves) => {
      const parameters = parametersFromWeights(smallWeights(network), 'random weights');
      const pixels = pixelInput(network, images);
      const { reducer, blocks } = diffRateSearch(network, { searched, toThemselves, rules });
      const { answer } = forward(network, pixels, { parameters, reducer, prefixOnlyLastBlock: true });
      const weights = constant(randomValues(images * 3, 4), [images, 3], 'float32');
      const loss = reduceSum(mul(answer, weights), [0, 1]);
      const { channels, height, width } = network.input;
      const values = randomValues(images * channels * height * width, 5);
      const given = new Map<Tensor, Float64Tensor>([
        [pixels, { shape: [images, channels, height, width], data: Float64Array.from(values) }],
      ]);
      const numbers = effectiveTokens(kept, tokens);
      for (const block of blocks) {
        const { tokensIn, pruneKept, mergeKept } = numbers[block.block] ?? { tokensIn: 0, pruneKept: 0, mergeKept: 0 };
        const masks = blockMasks(tokens, tokensIn, pruneKept, mergeKept);
        const feeds = maskFeeds(block.block, network.layout, masks, rules.selection);
        for (const symbol of inputsOf(block)) {
          const { shape, data } = feeds[symbol.source.kind === 'input' ? symbol.source.name : ''] as {
            shape: readonly number[];
            data: ArrayLike<number | bigint>;
          };
          given.set(symbol, { shape, data: Float64Array.from(Array.from(data, Number)) });
        }
      }
      const held = stopped(loss);
      expect(held.length).toBeGreaterThan(0);
      const heldValues = interpret(held, given);
      const fixed = new Map([...given, ...held.map((tensor, index) => [tensor, heldValues[index]] as const)]) as Map<
        Tensor,
        Float64Tensor
      >;
      const wrt = blocks.flatMap(({ mask, sourceWeight }) => [mask, sourceWeight]);
      const symbolic = gradients(loss, wrt) as readonly Tensor[];
      const exact = interpret(symbolic, given);
      wrt.forEach((tensor, index) => {
        const differences = finiteDifferences(loss, tensor, fixed);
        expect(Math.max(...differences.data.map(Math.abs))).toBeGreaterThan(1e-4);
        expect(relativeError(exact[index] as Float64Tensor, differences)).toBeLessThan(1e-6);
      });
    },
  );
});
