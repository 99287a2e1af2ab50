/**
 * Mixup (Zhang et al., 2018) and CutMix (Yun et al., 2019) with label smoothing, in timm's batch
 * mode (`timm.data.Mixup`): one λ per batch, and image i is mixed with image B − 1 − i. Labels are
 * optional: the mix that was drawn is returned, so that soft targets, too, can be mixed, or the
 * teacher can be run on the mixed images.
 */

import { DiffrateError } from '../errors.ts';
import type { Region } from './pillow-resize.ts';
import type { ImageSize } from './preprocessing.ts';
import type { RandomGenerator } from './random.ts';

/** Strengths and probabilities, timm's names spelled out. */
export interface MixingOptions {
  /** α of Mixup's Beta(α, α), 0 = off. Published recipe: 0.8. */
  readonly mixup: number;
  /** α of CutMix's Beta(α, α), 0 = off. Published recipe: 1. */
  readonly cutmix: number;
  /** Probability that a batch is mixed at all, default 1. */
  readonly probability?: number | undefined;
  /** Probability of CutMix where both are on, default 0.5. */
  readonly switchProbability?: number | undefined;
}

/** How one batch is mixed. */
export interface BatchMix {
  readonly kind: 'none' | 'mixup' | 'cutmix';
  /** Weight of an image's own target; for CutMix corrected to the area that is really its own. */
  readonly lambda: number;
  /** For CutMix: the rectangle that comes from the partner. */
  readonly box?: Region;
}

/** Draws how a batch of `width × height` images is mixed. */
export function drawMix(random: RandomGenerator, options: MixingOptions, width: number, height: number): BatchMix {
  const { mixup, cutmix, probability = 1, switchProbability = 0.5 } = options;
  if ((mixup <= 0 && cutmix <= 0) || random.uniform() >= probability) return { kind: 'none', lambda: 1 };
  const useCutmix = mixup <= 0 || (cutmix > 0 && random.uniform() < switchProbability);
  if (!useCutmix) return { kind: 'mixup', lambda: random.beta(mixup, mixup) };
  const cut = Math.sqrt(1 - random.beta(cutmix, cutmix));
  const halfWidth = Math.floor(Math.trunc(width * cut) / 2);
  const halfHeight = Math.floor(Math.trunc(height * cut) / 2);
  const centreX = random.integer(width);
  const centreY = random.integer(height);
  const left = Math.max(centreX - halfWidth, 0);
  const top = Math.max(centreY - halfHeight, 0);
  const box = {
    left,
    top,
    width: Math.min(centreX + halfWidth, width) - left,
    height: Math.min(centreY + halfHeight, height) - top,
  };
  return { kind: 'cutmix', lambda: 1 - (box.width * box.height) / (width * height), box };
}

/**
 * Mixes a batch in place.
 * @param pixels `[B, channels, height, width]`.
 */
export function mixPixels(
  pixels: Float32Array,
  { channels, height, width }: ImageSize & { readonly channels: number },
  mix: BatchMix,
): void {
  const imageSize = channels * width * height;
  const batch = pixels.length / imageSize;
  if (!Number.isInteger(batch)) {
    throw new RangeError(`${pixels.length} values are not a whole number of ${channels}×${height}×${width} images`);
  }
  if (mix.kind === 'none' || mix.lambda === 1) return;
  for (let image = 0; image < Math.floor(batch / 2); image++) {
    const one = pixels.subarray(image * imageSize, (image + 1) * imageSize);
    const other = pixels.subarray((batch - 1 - image) * imageSize, (batch - image) * imageSize);
    if (mix.box) swapBox(one, other, { height, width }, mix.box);
    else blend(one, other, mix.lambda);
  }
}

function blend(one: Float32Array, other: Float32Array, lambda: number): void {
  for (let index = 0; index < one.length; index++) {
    const a = one[index]!;
    const b = other[index]!;
    one[index] = a * lambda + b * (1 - lambda);
    other[index] = b * lambda + a * (1 - lambda);
  }
}

function swapBox(one: Float32Array, other: Float32Array, { height, width }: ImageSize, box: Region): void {
  for (let channel = 0; channel < one.length / (height * width); channel++) {
    for (let y = box.top; y < box.top + box.height; y++) {
      const start = (channel * height + y) * width + box.left;
      const kept = one.slice(start, start + box.width);
      one.set(other.subarray(start, start + box.width), start);
      other.set(kept, start);
    }
  }
}

/**
 * Labels as distributions: `1 − smoothing + smoothing / classes` on the label,
 * `smoothing / classes` elsewhere.
 * @returns `[B, classes]`.
 */
export function smoothTargets(labels: ArrayLike<number>, classes: number, smoothing = 0): Float32Array {
  const off = smoothing / classes;
  const targets = new Float32Array(labels.length * classes).fill(off);
  for (let index = 0; index < labels.length; index++) {
    const label = labels[index] ?? -1;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new DiffrateError(`Label ${label} is out of range: the model has ${classes} classes (0 … ${classes - 1}).`);
    }
    targets[index * classes + label] = 1 - smoothing + off;
  }
  return targets;
}

/**
 * The targets of a mixed batch: `λ · own + (1 − λ) · partner's`, from smoothed labels or from a
 * teacher's outputs.
 * @param targets `[B, classes]`, left as they are.
 * @returns `[B, classes]`.
 */
export function mixTargets(targets: Float32Array, classes: number, mix: BatchMix): Float32Array {
  const batch = targets.length / classes;
  const mixed = targets.slice();
  if (mix.lambda === 1) return mixed;
  for (let image = 0; image < batch; image++) {
    const partner = (batch - 1 - image) * classes;
    for (let index = 0; index < classes; index++) {
      const own = targets[image * classes + index]!;
      mixed[image * classes + index] = own * mix.lambda + targets[partner + index]! * (1 - mix.lambda);
    }
  }
  return mixed;
}
