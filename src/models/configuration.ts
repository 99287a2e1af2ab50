/**
 * What a Vision Transformer is, as data: the sizes that its forward function, its FLOPs and its preprocessing need.
 * Names follow timm's `vision_transformer.py`, spelled out.
 */

/** How an image becomes the network's input. Values of `mean` and `std` are per channel (RGB) on a 0…1 scale. */
export interface Preprocessing {
  /** The short side is resized to this many pixels (the other side keeps the ratio, truncated to an integer). */
  readonly resizeShortSide: number;
  /** `square`: both sides are resized to `resizeShortSide`, whatever the ratio (Hugging Face's ViT). Default `short-side`. */
  readonly resizeMode?: 'short-side' | 'square';
  /** Side of the centre crop in pixels: the network's input size. */
  readonly cropSize: number;
  readonly interpolation: 'bicubic' | 'bilinear';
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** A plain (non-hierarchical) Vision Transformer. */
export interface VisionTransformerConfiguration {
  readonly family: 'vision-transformer';
  /** Input side in pixels (square). */
  readonly inputSize: number;
  /** Side of a patch in pixels. */
  readonly patchSize: number;
  /** Embedding width C. */
  readonly width: number;
  /** Number of blocks L. */
  readonly depth: number;
  /** Number of attention heads H; C is divisible by it. */
  readonly heads: number;
  /** Hidden width of the MLP, 4 C in all published models. */
  readonly hiddenWidth: number;
  /** Number of classes; 0 for an encoder without a head. */
  readonly classes: number;
  /** `class-token`: norm, then the class token; `mean`: (size-weighted) mean of the patch tokens, then fc_norm (MAE). */
  readonly pool: 'class-token' | 'mean';
  readonly layerNormEpsilon: number;
  readonly preprocessing: Preprocessing;
}

/** Number of patch tokens at the input, `(inputSize / patchSize)²`. */
export function patchCount(configuration: VisionTransformerConfiguration): number {
  return Math.floor(configuration.inputSize / configuration.patchSize) ** 2;
}

/** Number of tokens at the first block: patches and the class token (mean-pooled ViTs carry one, too). */
export function tokenCount(configuration: VisionTransformerConfiguration): number {
  return patchCount(configuration) + 1;
}
