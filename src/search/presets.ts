/** The recipes of a search, as data. */
import { STANDARD_AUGMENTATION, LIGHT_AUGMENTATION } from '../data/augmentation.ts';
import type { ImageAugmentation } from '../data/augmentation.ts';
import type { MixingOptions } from '../data/mixing.ts';
import type { MergeRule } from '../reduction/merge-rule.ts';
import { dissimilarity } from '../reduction/selection.ts';
import type { Selection } from '../reduction/selection.ts';
import type { TargetKind } from '../execution/soft-targets.ts';

/**
 * `small-data` takes some hundred images and a few minutes; `quick` is the same with a quarter of
 * the image passes; `paper` is the recipe of the DiffRate paper.
 */
export type PresetName = 'small-data' | 'quick' | 'paper';

/** From the first to the last step, on a cosine. */
export interface Course {
  readonly start: number;
  readonly end: number;
}

/** The published proxy and objective. */
export interface CandidateRecipe {
  readonly kind: 'candidates';
  /** Step between candidate numbers of tokens. */
  readonly granularity: number;
  /** λ of `loss + λ·(cost − target)²`; the published one is for GFLOPs. */
  readonly costWeight: number;
  /** The first epochs run with λ = 0. */
  readonly warmUpEpochs: number;
  /** Of AdamW on ρ̂. */
  readonly learningRate: Course;
}

/** One number per proxy, the budget kept exactly. */
export interface PositionRecipe {
  readonly kind: 'positions';
  /** Largest move of a kept number per step, in tokens. */
  readonly stepTokens: Course;
  /** Width τ of the keep-probability's slope, in tokens. */
  readonly temperature: Course;
  /** Decay of the running mean and of the running square of gradients. */
  readonly gradientDecay: number;
  readonly squareDecay: number;
  /** Steps over which the kept numbers are averaged in the end. */
  readonly averagedSteps: number;
}

/** A discrete local search after the gradients. */
export interface RefinementRecipe {
  /**
   * How often each calibration image goes through a compressed network, on average, in a search of
   * the preset's length.
   */
  readonly passesPerImage: number;
  /** The least number of passes in all, so that few images still decide between many moves. */
  readonly leastPasses: number;
  /**
   * Parts of the tokens that the learnt schedule prunes which race against all of them; the others
   * are merged, at the same cost.
   */
  readonly prunedShares: readonly number[];
  /**
   * By how many per cent the loss rises for one per cent less of the cost. It says how much loss a
   * block may cost that removes no tokens any more (`reducing-blocks.ts`). Absent, all blocks may
   * remove some.
   */
  readonly lossPerCost?: number | undefined;
  /** First size of a move, in tokens. */
  readonly firstStep: number;
  /** Looks at a race: as many parts the calibration images are run in. */
  readonly looks: number;
  /** Where a smaller share of a sweep's moves is accepted, moves are halved. */
  readonly fewAccepted: number;
}

/**
 * A whole front of budgets: two of them follow gradients as one schedule does, each other starts
 * from its neighbours.
 */
export interface FrontRecipe {
  /**
   * Gradient steps of the cheapest budget, over those of the one in the middle. Later ones lead
   * over an edge where much is removed.
   */
  readonly stepShare: number;
  /** Image passes of all local searches together, over those of one search. */
  readonly passes: number;
  /**
   * How they are divided: among the first budget, each dearer one and each cheaper one. Where more
   * is removed, more can be won.
   */
  readonly weights: { readonly first: number; readonly dearer: number; readonly cheaper: number };
  /** Before the local search of the middle and of each cheaper budget. */
  readonly surface: SurfaceRecipe;
}

/** A step down a response surface. */
export interface SurfaceRecipe {
  /** Smooth directions over depth that are measured, up and down. */
  readonly directions: number;
  /** How far, over the mean number of removed tokens. */
  readonly reach: number;
  /** The least number of images that they are measured on, where there are as many. */
  readonly images: number;
}

/** A recipe. */
export interface Preset {
  readonly learner: CandidateRecipe | PositionRecipe;
  /** What follows the gradients, if anything. */
  readonly refinement?: RefinementRecipe;
  /** How a front is searched, where that can be. */
  readonly front?: FrontRecipe;
  /**
   * Images per optimizer step, and the most that go through the graph at once (their gradients are
   * added up).
   */
  readonly batchSize: number;
  readonly microBatchSize: number;
  /** Length in steps, or in epochs of the image folder. */
  readonly length: { readonly steps: number } | { readonly epochs: number };
  readonly targets: TargetKind;
  readonly augmentation: ImageAugmentation;
  readonly mixing: MixingOptions;
  readonly labelSmoothing: number;
  /**
   * How tokens merge in the networks that the schedule is for, and in the masked network of the
   * gradients, which with `similarity` has the form of the paper.
   */
  readonly merging: MergeRule;
  /** Which tokens go; by class attention alone where it is absent. */
  readonly selection?: Selection | undefined;
  /** Removed tokens attend to themselves in the masked network (the paper's eq. 11). */
  readonly toThemselves: boolean;
}

/** The default: a search on some hundred images without labels. */
const smallData = {
  learner: {
    kind: 'positions',
    stepTokens: { start: 4, end: 0.2 },
    temperature: { start: 6, end: 3 },
    gradientDecay: 0.9,
    squareDecay: 0.99,
    averagedSteps: 30,
  },
  refinement: {
    passesPerImage: 12,
    leastPasses: 9600,
    prunedShares: [0.5, 0],
    lossPerCost: 8,
    firstStep: 8,
    looks: 8,
    fewAccepted: 0.1,
  },
  batchSize: 16,
  microBatchSize: 16,
  length: { steps: 150 },
  targets: 'teacher',
  augmentation: LIGHT_AUGMENTATION,
  mixing: { mixup: 0, cutmix: 0 },
  labelSmoothing: 0,
  merging: 'patches',
  selection: dissimilarity,
  toThemselves: true,
} as const satisfies Preset;

/** Recipes by name. */
export const presets: Readonly<Record<PresetName, Preset>> = {
  'small-data': {
    ...smallData,
    front: {
      stepShare: 1 / 3,
      passes: 2.99,
      weights: { first: 3.7, dearer: 0.8, cheaper: 2.6 },
      surface: { directions: 5, reach: 0.1, images: 250 },
    },
  },
  // A gradient step counts as three passes of its images. Steps and moves share a quarter of the
  // default's passes about equally.
  quick: {
    ...smallData,
    learner: { ...smallData.learner, averagedSteps: 15 },
    refinement: { ...smallData.refinement, passesPerImage: 2.4, leastPasses: 1800, prunedShares: [0], firstStep: 4 },
    length: { steps: 48 },
  },
  paper: {
    learner: {
      kind: 'candidates',
      granularity: 4,
      costWeight: 5,
      warmUpEpochs: 0,
      learningRate: { start: 0.01, end: 0.001 },
    },
    batchSize: 1024,
    microBatchSize: 16,
    length: { epochs: 3 },
    targets: 'labels',
    augmentation: STANDARD_AUGMENTATION,
    mixing: { mixup: 0.8, cutmix: 1 },
    labelSmoothing: 0.1,
    merging: 'similarity',
    toThemselves: true,
  },
};

/** The recipe that fits what most people have: some hundred images. */
export const defaultPreset: PresetName = 'small-data';
