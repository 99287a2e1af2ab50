/**
 * Patch dropout (arXiv 2208.07220; timm's `PatchDropout`): while training, every image keeps a random part of its patches from the first
 * block on, so that a step costs a fraction, and no patch is relied on. Which patches an image keeps is drawn beside the graph.
 */
import type { RandomGenerator } from '../data/random.ts';
import { input } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { gatherTokens } from '../reduction/token-state.ts';

/** Patches that stay, with the class token. */
export interface PatchDropout {
  /** Int64 `[batch, K, 1]`, named `kept_patches`: positions of the tokens that stay. */
  readonly indices: Tensor;
  /** K: one class token and at least one patch. */
  readonly kept: number;
  /** Drops the others before the first block. */
  readonly reducer: TokenReducer;
}

/**
 * Patch dropout for a network whose token 0 is a class token.
 * @param tokens N with the class token.
 * @param rate share of patches that go, from 0 to below 1.
 */
export function patchDropout(tokens: number, rate: number): PatchDropout {
  const kept = 1 + Math.max(1, Math.round((tokens - 1) * (1 - rate)));
  const indices = input('kept_patches', 'int64', ['batch', kept, 1]);
  const reducer: TokenReducer = {
    name: `patch-dropout:rate=${rate}`,
    beforeBlock: (block, state) => (block === 0 ? gatherTokens(state, indices) : state),
  };
  return { indices, kept, reducer };
}

/** Positions `[images, kept, 1]`: the class token, then patches drawn without replacement. */
export function drawPatches(random: RandomGenerator, images: number, tokens: number, kept: number): BigInt64Array {
  const drawn = new BigInt64Array(images * kept);
  const patches = Array.from({ length: tokens - 1 }, (_, patch) => patch + 1);
  for (let image = 0; image < images; image++) {
    for (let place = 0; place < kept - 1; place++) {
      const other = place + Math.floor(random.uniform() * (patches.length - place));
      const chosen = patches[other] as number;
      patches[other] = patches[place] as number;
      patches[place] = chosen;
      drawn[image * kept + 1 + place] = BigInt(chosen);
    }
  }
  return drawn;
}
