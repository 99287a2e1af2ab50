/**
 * What a Vision Transformer is, as data: the sizes that its functions and its FLOPs need. Names
 * follow timm's `vision_transformer.py`, spelled out. Only this folder reads it.
 */
import type { Activation } from '../../nn/activation.ts';
import type { TokenLayout } from '../../reduction/token-layout.ts';

/** A parameter `[1, count, C]` that becomes tokens before the patches. */
export interface PrefixTokens {
  readonly name: string;
  readonly count: number;
}

/** A plain (non-hierarchical) Vision Transformer. */
export interface VisionTransformerConfiguration {
  /** Input in pixels. */
  readonly inputSize: { readonly height: number; readonly width: number };
  /** Channels of the input. */
  readonly channels: number;
  /** Side of a patch in pixels. */
  readonly patchSize: number;
  /**
   * Class, distillation and register tokens, in their order; the first one, where there is any, is
   * the class token.
   */
  readonly prefixTokens: readonly PrefixTokens[];
  /** Embedding width C. */
  readonly width: number;
  /** Number of blocks L. */
  readonly depth: number;
  /** Number of attention heads H; C is divisible by it. */
  readonly heads: number;
  /** Hidden width of the MLP, 4 C in all published models. */
  readonly hiddenWidth: number;
  readonly activation: Activation;
  /** Number of outputs of the head; 0 for an encoder without a head. */
  readonly classes: number;
  /**
   * What the outputs are: one class of many, many labels that each are there or not, values of a
   * regression. One output alone is a value.
   */
  readonly problem: 'classes' | 'labels' | 'values';
  /** What is read: the class token, or the (size-weighted) mean of the patch tokens. */
  readonly pool: 'class-token' | 'mean';
  /**
   * The last norm: `norm` normalises tokens before they are pooled, `fc_norm` what they are pooled
   * to. The default is timm's: `fc_norm` for the mean (MAE), `norm` for the class token.
   */
  readonly lastNorm?: 'norm' | 'fc_norm';
  readonly layerNormEpsilon: number;
}

/** What most Vision Transformers have in common. */
export const usualVisionTransformer = {
  channels: 3,
  prefixTokens: [{ name: 'cls_token', count: 1 }],
  activation: 'gelu',
  problem: 'classes',
  layerNormEpsilon: 1e-6,
} as const;

/** The name of its last norm. */
export function lastNormOf({ pool, lastNorm }: VisionTransformerConfiguration): 'norm' | 'fc_norm' {
  return lastNorm ?? (pool === 'mean' ? 'fc_norm' : 'norm');
}

/** Its tokens. Pixels beyond the last whole patch belong to none. */
export function layoutOf({ inputSize, patchSize, prefixTokens }: VisionTransformerConfiguration): TokenLayout {
  return {
    prefix: prefixTokens.reduce((sum, { count }) => sum + count, 0),
    grid: [Math.floor(inputSize.height / patchSize), Math.floor(inputSize.width / patchSize)],
  };
}
