/**
 * Patch dropout (arXiv 2208.07220; timm's `PatchDropout`). While training, every image keeps a
 * random part of its patches from the first block on that may remove tokens. A step then costs a
 * fraction, and no patch is relied on. Which patches an image keeps is drawn beside the graph.
 */
import type { RandomGenerator } from '../data/random.ts';
import { input } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import { gridTokens } from '../reduction/token-layout.ts';
import type { TokenLayout } from '../reduction/token-layout.ts';
import type { TokenReducer } from '../reduction/token-reducer.ts';
import { gatherTokens } from '../reduction/token-state.ts';

/** Patches that stay, with the prefix tokens. */
export interface PatchDropout {
  /** Int64 `[batch, K, 1]`, named `kept_patches`: positions of the tokens that stay. */
  readonly indices: Tensor;
  /** K: all prefix tokens and at least one patch. */
  readonly kept: number;
  /** Drops the others before the first block. */
  readonly reducer: TokenReducer;
}

/**
 * Patch dropout.
 * @param layout tokens at the first block that may remove some.
 * @param rate share of patches that go, from 0 to below 1.
 */
export function patchDropout(layout: TokenLayout, rate: number): PatchDropout {
  const kept = layout.prefix + Math.max(1, Math.round(gridTokens(layout) * (1 - rate)));
  const indices = input('kept_patches', 'int64', ['batch', kept, 1]);
  const reducer: TokenReducer = {
    name: `patch-dropout:rate=${rate}`,
    beforeBlock: (block, state) => (block === 0 ? gatherTokens(state, indices) : state),
  };
  return { indices, kept, reducer };
}

/** Positions `[images, kept, 1]`: the prefix tokens, then patches drawn without replacement. */
export function drawPatches(random: RandomGenerator, images: number, layout: TokenLayout, kept: number): BigInt64Array {
  const { prefix } = layout;
  const drawn = new BigInt64Array(images * kept);
  const patches = Array.from({ length: gridTokens(layout) }, (_, patch) => prefix + patch);
  for (let image = 0; image < images; image++) {
    for (let token = 0; token < prefix; token++) drawn[image * kept + token] = BigInt(token);
    for (let place = 0; place < kept - prefix; place++) {
      const other = place + Math.floor(random.uniform() * (patches.length - place));
      const chosen = patches[other] as number;
      patches[other] = patches[place] as number;
      patches[place] = chosen;
      drawn[image * kept + prefix + place] = BigInt(chosen);
    }
  }
  return drawn;
}
