/**
 * The networks that diffrate knows by name, as data. Names are timm's (`vision_transformer.py`,
 * `deit.py`, `metaformer.py`) and, for MAE, those of its authors' repository (`models_vit.py`).
 * Preprocessing is what each checkpoint was evaluated with by its authors.
 */

import { DiffrateError, quoted } from '../errors.ts';
import { square } from '../data/preprocessing.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { caformer } from './caformer/caformer.ts';
import type { DeclaredNetwork } from './family.ts';
import { nearest } from '../options/nearest.ts';
import type { NetworkDescription } from './network.ts';
import { usualVisionTransformer } from './vision-transformer/configuration.ts';
import type { VisionTransformerConfiguration } from './vision-transformer/configuration.ts';
import { declaredVisionTransformer } from './vision-transformer/checkpoint.ts';

/** A network known by name. */
export interface RegistryEntry {
  readonly name: string;
  /** Other names of the same weights: hub ids, and the name in the DiffRate paper's tables. */
  readonly aliases: readonly string[];
  /** What can be counted of it. */
  readonly network: NetworkDescription;
  /** The network before it meets its checkpoint; absent where it cannot be built yet. */
  readonly declared?: DeclaredNetwork;
  /** How its authors evaluated it. */
  readonly preprocessing: Preprocessing;
  /**
   * Repository on the Hugging Face hub that holds the weights; absent where there is none with a
   * classifier.
   */
  readonly hubId?: string;
  /** Where the weights can be had when the hub has none. */
  readonly weightsUrl?: string;
  /** Folder of this package that holds the weights. */
  readonly packagedFolder?: string;
  /** Licence of the weights. */
  readonly licence: string;
}

const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStandardDeviation = [0.229, 0.224, 0.225] as const;

const augregPreprocessing: Preprocessing = {
  resize: square(248),
  crop: square(224),
  interpolation: 'bicubic',
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

const deitPreprocessing: Preprocessing = {
  resize: square(256),
  crop: square(224),
  interpolation: 'bicubic',
  mean: imagenetMean,
  std: imagenetStandardDeviation,
};

/**
 * Width, depth and heads of the standard sizes (Touvron et al. 2021, table 1; Dosovitskiy et al.
 * 2021, table 1).
 */
const sizes = {
  tiny: { width: 192, depth: 12, heads: 3, hiddenWidth: 768 },
  small: { width: 384, depth: 12, heads: 6, hiddenWidth: 1536 },
  base: { width: 768, depth: 12, heads: 12, hiddenWidth: 3072 },
  large: { width: 1024, depth: 24, heads: 16, hiddenWidth: 4096 },
  huge: { width: 1280, depth: 32, heads: 16, hiddenWidth: 5120 },
} as const;

type Sizes = Pick<VisionTransformerConfiguration, 'width' | 'depth' | 'heads' | 'hiddenWidth'>;
type Described = Pick<RegistryEntry, 'network' | 'declared' | 'preprocessing'>;

/** A Vision Transformer with an entry's preprocessing. */
function described(configuration: VisionTransformerConfiguration, preprocessing: Preprocessing): Described {
  const declared = declaredVisionTransformer(configuration);
  return { network: declared.network, declared, preprocessing };
}

/** The ImageNet classifiers of the literature at 224 × 224. */
const classifier =
  (pool: VisionTransformerConfiguration['pool'], preprocessing: Preprocessing) =>
  (own: Sizes, patchSize = 16): Described => {
    const inputSize = { height: 224, width: 224 };
    return described({ ...usualVisionTransformer, inputSize, classes: 1000, patchSize, pool, ...own }, preprocessing);
  };

const augreg = classifier('class-token', augregPreprocessing);
const deit = classifier('class-token', deitPreprocessing);
const mae = classifier('mean', deitPreprocessing);

const apache = 'Apache-2.0';
const maeLicence = 'CC BY-NC 4.0 (not for commercial use)';
const maeWeights = 'https://dl.fbaipublicfiles.com/mae/finetune';

const visionTransformers: readonly RegistryEntry[] = [
  {
    name: 'vit_tiny_patch16_224',
    aliases: ['vit_tiny_patch16_224.augreg_in21k_ft_in1k'],
    ...augreg(sizes.tiny),
    hubId: 'timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k',
    licence: apache,
  },
  {
    name: 'vit_small_patch16_224',
    aliases: ['vit_small_patch16_224.augreg_in21k_ft_in1k'],
    ...augreg(sizes.small),
    hubId: 'timm/vit_small_patch16_224.augreg_in21k_ft_in1k',
    licence: apache,
  },
  {
    name: 'vit_base_patch16_224',
    aliases: ['vit_base_patch16_224.augreg2_in21k_ft_in1k'],
    ...augreg(sizes.base),
    hubId: 'timm/vit_base_patch16_224.augreg2_in21k_ft_in1k',
    licence: apache,
  },
  {
    name: 'deit_tiny_patch16_224',
    aliases: ['deit_tiny_patch16_224.fb_in1k', 'facebook/deit-tiny-patch16-224', 'ViT-T-DeiT'],
    ...deit(sizes.tiny),
    hubId: 'timm/deit_tiny_patch16_224.fb_in1k',
    licence: apache,
  },
  {
    name: 'deit_small_patch16_224',
    aliases: ['deit_small_patch16_224.fb_in1k', 'facebook/deit-small-patch16-224', 'ViT-S-DeiT'],
    ...deit(sizes.small),
    hubId: 'timm/deit_small_patch16_224.fb_in1k',
    licence: apache,
  },
  {
    name: 'deit_base_patch16_224',
    aliases: ['deit_base_patch16_224.fb_in1k', 'facebook/deit-base-patch16-224', 'ViT-B-DeiT'],
    ...deit(sizes.base),
    hubId: 'timm/deit_base_patch16_224.fb_in1k',
    licence: apache,
  },
  {
    name: 'mae_vit_base_patch16',
    aliases: ['ViT-B-MAE'],
    ...mae(sizes.base),
    weightsUrl: `${maeWeights}/mae_finetuned_vit_base.pth`,
    licence: maeLicence,
  },
  {
    name: 'mae_vit_large_patch16',
    aliases: ['ViT-L-MAE'],
    ...mae(sizes.large),
    weightsUrl: `${maeWeights}/mae_finetuned_vit_large.pth`,
    licence: maeLicence,
  },
  {
    name: 'mae_vit_huge_patch14',
    aliases: ['ViT-H-MAE'],
    ...mae(sizes.huge, 14),
    weightsUrl: `${maeWeights}/mae_finetuned_vit_huge.pth`,
    licence: maeLicence,
  },
  {
    // Not a network of the literature: 197 tokens like DeiT's, small enough to come with this
    // package. `npm run train:demo` made it.
    name: 'vit_demo_patch2_28',
    aliases: [],
    ...described(
      {
        ...usualVisionTransformer,
        inputSize: { height: 28, width: 28 },
        patchSize: 2,
        width: 64,
        depth: 8,
        heads: 2,
        hiddenWidth: 256,
        classes: 10,
        pool: 'class-token',
      },
      {
        resize: square(28),
        crop: square(28),
        interpolation: 'bicubic',
        mean: [0.286, 0.286, 0.286],
        std: [0.353, 0.353, 0.353],
      },
    ),
    packagedFolder: 'examples/demo-model',
    licence: apache,
  },
];

const caformers: readonly RegistryEntry[] = [
  {
    name: 'caformer_s36',
    aliases: ['caformer_s36.sail_in1k', 'CAFormer-S36'],
    network: caformer({
      inputSize: 224,
      stages: [
        { depth: 3, width: 64, mixer: 'convolution', downsampling: { kernelSize: 7, stride: 4 } },
        { depth: 12, width: 128, mixer: 'convolution', downsampling: { kernelSize: 3, stride: 2 } },
        { depth: 18, width: 320, mixer: 'attention', downsampling: { kernelSize: 3, stride: 2 } },
        { depth: 3, width: 512, mixer: 'attention', downsampling: { kernelSize: 3, stride: 2 } },
      ],
      compressedStage: 2,
      depthwiseKernelSize: 7,
      mlpRatio: 4,
      classes: 1000,
    }),
    preprocessing: { ...deitPreprocessing, resize: square(224) },
    hubId: 'timm/caformer_s36.sail_in1k',
    licence: apache,
  },
];

/** Every network known by name. */
export const registry: readonly RegistryEntry[] = [...visionTransformers, ...caformers];

/**
 * The registry entry of a name, a hub id or another alias, whatever its case; `undefined` if there
 * is none.
 */
export function lookUpModel(name: string): RegistryEntry | undefined {
  const wanted = name.toLowerCase();
  return registry.find((entry) =>
    [entry.name, entry.hubId ?? entry.name, ...entry.aliases].some((known) => known.toLowerCase() === wanted),
  );
}

/** All names of the network that goes by this one; none where the registry does not know it. */
export function aliasesOf(model: string): readonly string[] {
  const entry = lookUpModel(model);
  if (entry === undefined) return [];
  return [entry.name, ...(entry.hubId === undefined ? [] : [entry.hubId]), ...entry.aliases];
}

/**
 * The registry entry of a name, a hub id or another alias.
 *
 * @throws DiffrateError that lists the known names
 */
export function findModel(name: string): RegistryEntry {
  const entry = lookUpModel(name);
  if (entry === undefined) {
    const names = registry.map((model) => model.name);
    const meant = nearest(name, names);
    const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`;
    throw new DiffrateError(
      `${quoted(name)} is no model that diffrate knows by name${hint}: use one of ${names.join(', ')}, a hub id or a model folder.`,
    );
  }
  return entry;
}
