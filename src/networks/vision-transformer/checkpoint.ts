/**
 * What the shapes of a checkpoint say about its network, and whether that is the network which a
 * name or a `config.json` declares. Only the number of classes may differ: a fine-tuned model has
 * the head of its own data.
 */
import type { Weights } from '../../checkpoints/weights.ts';
import { DiffrateError } from '../../errors.ts';
import { formatShape } from '../../graph/tensor.ts';
import { tokenCount } from '../../reduction/token-layout.ts';
import type { DeclaredNetwork } from '../family.ts';
import { layoutOf } from './configuration.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';
import { visionTransformer } from './vision-transformer.ts';

/** Sizes of a ViT as its tensors show them; the number of heads leaves no trace. */
export interface CheckpointSizes {
  readonly width: number;
  readonly depth: number;
  readonly hiddenWidth: number;
  readonly patchSize: number;
  /** Channels of the pixels. */
  readonly channels: number;
  readonly hasClassToken: boolean;
  /** Positions with an embedding of their own, class token counted. */
  readonly tokens: number;
  /** Rows of the head; 0 where there is none. */
  readonly classes: number;
  /**
   * `fc_norm` for networks that read the mean of the patches, `norm` for the others; both or
   * neither may be there.
   */
  readonly norms: readonly ('norm' | 'fc_norm')[];
}

/**
 * Sizes of the ViT in a checkpoint with canonical names.
 * @param source the checkpoint, for error sentences.
 * @throws {DiffrateError} where it is no ViT's, or a distilled DeiT's.
 */
export function checkpointSizes(weights: Weights, source: string): CheckpointSizes {
  if (weights.has('dist_token') || weights.has('head_dist.weight')) {
    throw new DiffrateError(
      `${source} is a distilled DeiT (it has a distillation token), which is not supported yet: use the DeiT without distillation.`,
    );
  }
  const sizesOf = (name: string, rank: number): readonly number[] => {
    const shape = weights.get(name)?.shape;
    if (shape === undefined) {
      throw new DiffrateError(
        `${source} has no tensor "${name}": use a checkpoint of a Vision Transformer (ViT, DeiT or MAE).`,
      );
    }
    if (shape.length !== rank) {
      throw new DiffrateError(
        `${source}: the tensor "${name}" is ${formatShape(shape)} where a Vision Transformer has ${rank} dimensions; use a checkpoint of a ViT, DeiT or MAE.`,
      );
    }
    return shape;
  };
  const [, tokens = 0] = sizesOf('pos_embed', 3);
  const [width = 0, channels = 0, patchSize = 0] = sizesOf('patch_embed.proj.weight', 4);
  const [hiddenWidth = 0] = sizesOf('blocks.0.mlp.fc1.weight', 2);
  const [classes = 0] = weights.has('head.weight') ? sizesOf('head.weight', 2) : [];
  const blocks = new Set([...weights.keys()].flatMap((name) => /^blocks\.(\d+)\./.exec(name)?.[1] ?? []));
  const norms = (['norm', 'fc_norm'] as const).filter((name) => weights.has(`${name}.weight`));
  const hasClassToken = weights.has('cls_token');
  return { width, depth: blocks.size, hiddenWidth, patchSize, channels, hasClassToken, tokens, classes, norms };
}

/**
 * A declared network, which is fitted to a checkpoint's number of classes.
 * @param warnings sentences about the configuration.
 */
export function declaredVisionTransformer(
  configuration: VisionTransformerConfiguration,
  warnings: readonly string[] = [],
): DeclaredNetwork {
  return {
    network: visionTransformer(configuration),
    fit(weights, source, declaredBy) {
      const fitted = fitConfiguration(configuration, declaredBy, weights, source);
      return {
        ...fitted,
        network: visionTransformer(fitted.configuration),
        warnings: [...warnings, ...fitted.warnings],
      };
    },
  };
}

/** A declared configuration after it met its checkpoint. */
interface FittedConfiguration {
  readonly configuration: VisionTransformerConfiguration;
  /**
   * The checkpoint's tensors, with `norm` also as `fc_norm` where an encoder is to be pooled by the
   * mean.
   */
  readonly weights: Weights;
  readonly warnings: readonly string[];
}

/**
 * The declared configuration with the checkpoint's number of classes (0: an encoder without a head,
 * which yields features).
 * @param declaredBy the registry name or configuration file, for error sentences.
 * @throws {DiffrateError} that names both sides where they differ in anything but the number of
 *   classes.
 */
function fitConfiguration(
  declared: VisionTransformerConfiguration,
  declaredBy: string,
  weights: Weights,
  source: string,
): FittedConfiguration {
  const sizes = checkpointSizes(weights, source);
  checkSizes(declared, declaredBy, sizes, source);
  const configuration = { ...declared, classes: sizes.classes };
  const warnings =
    sizes.classes > 0 || declared.classes === 0
      ? []
      : [`${source} has no classifier: the network yields features instead of logits.`];
  if (declared.lastNorm !== undefined) return { configuration, weights, warnings };
  if (declared.pool === 'class-token' && !sizes.norms.includes('norm') && sizes.norms.includes('fc_norm')) {
    throw new DiffrateError(
      `${source} reads the mean of the patches (it has "fc_norm" and no "norm") where ${declaredBy} reads the class token: name a mae_vit model.`,
    );
  }
  if (declared.pool === 'class-token' || sizes.norms.includes('fc_norm')) return { configuration, weights, warnings };
  // Without a class token nothing but the mean can be read, and the only norm is the last one.
  if (!sizes.hasClassToken) return { configuration: { ...configuration, lastNorm: 'norm' }, weights, warnings };
  if (sizes.classes > 0) {
    throw new DiffrateError(
      `${source} has a classifier but no tensor "fc_norm.weight", so it reads the class token where ${declaredBy} reads the mean of the patches: name a vit or deit model.`,
    );
  }
  return { configuration, weights: withNormAsPooledNorm(weights), warnings };
}

/**
 * A pre-trained MAE encoder has only the `norm` of its last block; it serves as the norm of the
 * mean.
 */
function withNormAsPooledNorm(weights: Weights): Weights {
  const pooled = new Map(weights);
  for (const part of ['weight', 'bias']) {
    const norm = weights.get(`norm.${part}`);
    if (norm !== undefined) pooled.set(`fc_norm.${part}`, { ...norm, name: `fc_norm.${part}` });
  }
  return pooled;
}

function checkSizes(
  declared: VisionTransformerConfiguration,
  declaredBy: string,
  sizes: CheckpointSizes,
  source: string,
): void {
  const parts = [
    ['width', declared.width, sizes.width],
    ['number of blocks', declared.depth, sizes.depth],
    ['hidden width of the MLP', declared.hiddenWidth, sizes.hiddenWidth],
    ['patch size', declared.patchSize, sizes.patchSize],
    ['number of channels', declared.channels, sizes.channels],
  ] as const;
  for (const [part, wanted, found] of parts) {
    if (wanted === found) continue;
    throw new DiffrateError(
      `${source} holds a network whose ${part} is ${found} where ${declaredBy} has ${wanted}: name the model that the checkpoint belongs to.`,
    );
  }
  const hasClassToken = declared.prefixTokens.length > 0;
  if (hasClassToken !== sizes.hasClassToken) {
    const [own, wanted] = sizes.hasClassToken ? ['a class token ("cls_token")', 'none'] : ['no class token', 'one'];
    throw new DiffrateError(
      `${source} has ${own} where ${declaredBy} has ${wanted}: use a checkpoint and a configuration of one model.`,
    );
  }
  const layout = layoutOf(declared);
  const tokens = tokenCount(layout);
  if (sizes.tokens === tokens) return;
  const side = Math.sqrt(sizes.tokens - layout.prefix) * sizes.patchSize;
  const fits = Number.isInteger(side) ? `, for an input of ${side}×${side} pixels` : '';
  throw new DiffrateError(
    `${source}: "pos_embed" has ${sizes.tokens} positions${fits}, where ${declaredBy} has ${tokens}, for ${declared.inputSize.height}×${declared.inputSize.width}: ` +
      'use a checkpoint of that input size, or a model folder whose config.json states the size of this one.',
  );
}
