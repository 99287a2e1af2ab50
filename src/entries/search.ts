/**
 * `diffrate/search`: the search for a schedule with everything it needs as parameters: images, a
 * runtime, a place for progress, an evaluator. It runs in browsers and in Node.
 * @module diffrate/search
 */

// The search
export { searchSchedule } from '../search/search.ts';
export type {
  SearchHistoryEntry,
  SearchOptions,
  SearchOutcome,
  SearchPhase,
  SearchProgress,
} from '../search/search-options.ts';
export { searchFront } from '../search/front/front.ts';
export type {
  FrontOptions,
  FrontOutcome,
  FrontPoint,
  FrontProgress,
  FrontRange,
} from '../search/front/front-options.ts';
export type { PlannedOptions } from '../search/plan.ts';
export { presets } from '../search/presets.ts';
export type {
  CandidateRecipe,
  Course,
  FrontRecipe,
  PositionRecipe,
  Preset,
  PresetName,
  RefinementRecipe,
  SurfaceRecipe,
} from '../search/presets.ts';
export type { ProgressOptions } from '../search/checkpoint.ts';
export type { ProgressStore } from '../files/progress-store.ts';

// Images
export { memoryImages } from '../data/memory-images.ts';
export type { MemoryImage } from '../data/memory-images.ts';
export type { ImageReader, ImageSource, ReadImages, ReadingOptions, SourceImage } from '../data/image-source.ts';
export type {
  FolderEvidence,
  LabelEvidence,
  Labelling,
  LabelOrigin,
  TableEvidence,
  TableLabel,
} from '../data/labels/evidence.ts';
export { resolveLabels } from '../data/labels/resolve-labels.ts';
export type { ResolveOptions } from '../data/labels/resolve-labels.ts';
export type { NetworkClasses } from '../data/labels/network-classes.ts';
export type { ImageSlot } from '../data/image-order.ts';
export type { RgbImage } from '../data/pillow-resize.ts';
export type { SkippedImage } from '../data/batches.ts';
export { DecodedImages } from '../data/decoded-images.ts';
export type { Announcement, CachedImage, DecodedImagesOptions } from '../data/decoded-images.ts';
export type { ImageAugmentation, RandomResizedCrop } from '../data/augmentation.ts';
export type { RandAugment } from '../data/rand-augment/rand-augment.ts';
export type { MixingOptions } from '../data/mixing.ts';

// Objectives
export { objectiveFor, objectives, objectiveTitle } from '../objectives/registry.ts';
export type { ObjectiveEntry, ObjectiveName } from '../objectives/registry.ts';
export type { Answers, Measure, MeasureResult, Objective } from '../objectives/objective.ts';

// Cost
export { formatCost, priceByDifference, reachableRange } from '../cost/cost.ts';
export type { Cost, CostRange, CostTarget } from '../cost/cost.ts';
export { flopsCost } from '../cost/flops-cost.ts';
export { realFlopsCost } from '../cost/real-flops-cost.ts';
export type { ReductionRules } from '../reduction/schedule.ts';
export { searchSpace } from '../reduction/search-space.ts';
export type { SearchSpace } from '../reduction/search-space.ts';

// Who computes losses and gradients
export { LocalEvaluator } from '../execution/local-evaluator.ts';
export type { LocalEvaluatorOptions } from '../execution/local-evaluator.ts';
export type { Evaluator } from '../execution/evaluator.ts';
export type { BlockGradients, StepResult } from '../execution/gradient-step.ts';
export type { BlockMasks } from '../execution/masks.ts';
export { Looks } from '../execution/looks.ts';
export type { TargetKind, TargetRecipe } from '../execution/soft-targets.ts';

// Errors
export { DiffrateError, UsageError } from '../errors.ts';
