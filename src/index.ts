/**
 * `diffrate`: what the command line does, as a library for Node. The graph engine (`diffrate/graph`), the ONNX format
 * (`diffrate/onnx`) and the browser's runtime (`diffrate/runtime/web`) have entries of their own and need no Node.
 */

// Networks and their weights
export { readCheckpoint } from './checkpoints/load.ts';
export type { HubOptions } from './checkpoints/hub.ts';
export type { Weights, WeightTensor } from './checkpoints/weights.ts';
export { loadModel } from './loading/load-model.ts';
export type { LoadedModel, LoadModelOptions } from './loading/load-model.ts';
export { patchCount, tokenCount } from './models/configuration.ts';
export type { Preprocessing, VisionTransformerConfiguration } from './models/configuration.ts';
export type { HierarchicalConfiguration, HierarchicalStage } from './models/hierarchical-configuration.ts';
export { parametersFromWeights } from './models/parameters.ts';
export { findModel, lookUpModel, registry } from './models/registry.ts';
export type { ModelConfiguration, RegistryEntry } from './models/registry.ts';
export { compressibleBlocks, scheduleTarget } from './models/schedule-target.ts';
export { visionTransformer } from './models/vision-transformer.ts';
export type { ForwardOptions, ForwardOutputs } from './models/vision-transformer.ts';
export { residualBranches } from './nn/drop-path.ts';
export type { BranchTransform, ResidualBranch } from './nn/drop-path.ts';
export type { Parameters } from './nn/parameters.ts';

// Schedules
export { readScheduleFile, writeScheduleFile } from './exporting/schedule-file.ts';
export { findPublishedSchedule, publishedSchedules } from './reduction/published-schedules.ts';
export type { PublishedSchedule } from './reduction/published-schedules.ts';
export {
  effectiveSchedule,
  effectiveTokens,
  parseSchedule,
  serializeSchedule,
  uncompressed,
} from './reduction/schedule.ts';
export type { EffectiveBlock, KeptNumbers, Schedule } from './reduction/schedule.ts';
export { mergeRules } from './reduction/merge-rule.ts';
export type { MergeRule } from './reduction/merge-rule.ts';
export { validateSchedule } from './reduction/validate-schedule.ts';
export type { FeatureSizes, ScheduleTarget, ScheduleValidationOptions } from './reduction/validate-schedule.ts';

// Methods of token reduction
export { importanceMetrics } from './reduction/importance.ts';
export type { ImportanceMetric } from './reduction/importance.ts';
export { buildMethod, parseMethod, reductionMethods } from './reduction/methods/registry.ts';
export type { NamedMethod } from './reduction/methods/registry.ts';
export type {
  BuiltMethod,
  Knob,
  MethodResources,
  Parameters as MethodParameters,
  ParameterKey,
  ParameterValue,
  ReductionMethod,
} from './reduction/methods/method.ts';
export type { LearnedMethod, LearnedParameter, NetworkView, TrainingForm } from './reduction/methods/learned.ts';
export { formatMethod } from './reduction/methods/method-text.ts';
export type { MethodText } from './reduction/methods/method-text.ts';
export { diffRate, reductionOrders } from './reduction/methods/diffrate.ts';
export type { DiffRateOptions, ReductionOrder } from './reduction/methods/diffrate.ts';
export { keepAllTokens } from './reduction/token-reducer.ts';
export type { AttentionView, MaskedAttention, QuerySelection, TokenReducer } from './reduction/token-reducer.ts';
export { firstTokens, gatherTokens, splitTokens } from './reduction/token-state.ts';
export type { TokenState } from './reduction/token-state.ts';

// Cost
export type { Cost, CostRange } from './cost/cost.ts';
export { baselineFlops, countFlops } from './cost/flops.ts';
export type { FlopsCount, KeptNumbersGradient } from './cost/flops.ts';
export { countModelFlops, flopsCost } from './cost/flops-cost.ts';
export type { FlopsCostOptions } from './cost/flops-cost.ts';
export { countGraphFlops } from './cost/graph-flops.ts';
export { countMethodFlops } from './cost/method-flops.ts';
export { baselineRealFlops, countRealFlops } from './cost/real-flops.ts';

// Images
export { openImageFolder } from './data/image-folder.ts';
export type { FolderImage, ImageFolder, OpenImageFolderOptions } from './data/image-folder.ts';
export type { SkippedImage } from './data/batches.ts';
export type { ImageDecoder } from './data/decode.ts';
export type { RgbImage } from './data/pillow-resize.ts';
export type { GreyImages } from './data/grey-images.ts';
export { readImage } from './data/read-image.ts';
export { DEIT_AUGMENTATION, LIGHT_AUGMENTATION, SMALL_IMAGE_AUGMENTATION } from './data/augmentation.ts';
export type { ImageAugmentation, RandomResizedCrop } from './data/augmentation.ts';
export type { RandAugment } from './data/rand-augment/rand-augment.ts';

// Search
export { searchSchedule } from './search/search.ts';
export { removeCheckpoint } from './search/checkpoint-file.ts';
export { presets } from './search/presets.ts';
export type {
  CandidateRecipe,
  Course,
  FrontRecipe,
  PositionRecipe,
  Preset,
  RefinementRecipe,
  SurfaceRecipe,
} from './search/presets.ts';
export { searchFront } from './search/front.ts';
export type { FrontOptions, FrontOutcome, FrontPoint, FrontProgress, FrontRange } from './search/front-options.ts';
export type {
  PresetName,
  SearchedModel,
  SearchHistoryEntry,
  SearchOptions,
  SearchOutcome,
  SearchPhase,
  SearchProgress,
  TargetKind,
} from './search/search-options.ts';

// Training
export { recipes } from './training/recipe.ts';
export type { RecipeName, TrainingRecipe } from './training/recipe.ts';
export type { PatchDropoutCourse, PatchDropoutStage } from './training/patch-dropout-stages.ts';
export type { SinusoidalPositions } from './training/sinusoidal-positions.ts';
export { train } from './training/train.ts';
export { writeTrainedModel } from './training/trained-model.ts';
export { weightDtypes } from './training/trained-model.ts';
export type { TrainedModel, WeightDtype } from './training/trained-model.ts';
export type { MixingOptions } from './data/mixing.ts';
export type { TrainingLogRow } from './training/training-log.ts';
export type {
  EvaluatedEpoch,
  TrainingOptions,
  TrainingOutcome,
  TrainingProgress,
} from './training/training-options.ts';
export type { ParameterLayout, TrainedParameter } from './training/trained-parameters.ts';

// Evaluation
export { evaluateModel, evaluateVariants } from './evaluation/evaluate.ts';
export type {
  EvaluationOptions,
  EvaluationProgress,
  EvaluationResult,
  Variant,
  VariantLogits,
} from './evaluation/evaluate.ts';
export type { BeforeAndAfter, Measured, MeasuredThroughput, Measurements } from './evaluation/measurements.ts';
export type { Metrics } from './evaluation/metrics.ts';
export { networkModel } from './loading/network-session.ts';
export type { Network } from './loading/network-session.ts';
export { measureThroughput } from './evaluation/throughput.ts';
export type { ThroughputOptions, ThroughputRun } from './evaluation/throughput.ts';

// Comparison of methods
export { compareMethods } from './comparison/compare-methods.ts';
export type {
  BaselineResult,
  BudgetRanking,
  Comparison,
  ComparisonCell,
  ComparisonOptions,
  ComparisonProgress,
  MeasuredCell,
  MissingCell,
  RandomSchedulesRequest,
} from './comparison/comparison-options.ts';
export { allMethods, parseMethodList } from './comparison/method-list.ts';
export { rankSchedules } from './comparison/random-ranking.ts';
export type {
  PlacedSchedule,
  Placement,
  RankedSchedule,
  Ranking,
  RankingOptions,
  RankingProgress,
  RankingSums,
} from './comparison/random-ranking.ts';
export { randomSchedules } from './comparison/random-schedules.ts';
export type { RandomScheduleOptions } from './comparison/random-schedules.ts';
export { listedSchedules, searchedSchedules } from './comparison/schedule-source.ts';
export type {
  FoundSchedule,
  NoSchedule,
  ScheduleSource,
  ScheduleWish,
  SearchStage,
  SearchedSchedulesOptions,
} from './comparison/schedule-source.ts';

// Reports
export { comparisonReport, compressionReport, picturesReport } from './report/report.ts';
export type { CompressionFacts, PictureFacts, Provenance } from './report/report.ts';
export { reportPage } from './report/page.ts';
export type { ReportPage, ReportSection } from './report/page.ts';
export { drawPictures, encodePng } from './report/picture-series.ts';
export type { BlockPicture, PictureRequest, PictureSeries } from './report/picture-series.ts';
export type { TokenCounts } from './report/token-groups.ts';
export type { Fact } from './report/sections/provenance.ts';
export type { Html } from './report/html.ts';

// Export
export { exportModel } from './exporting/export-model.ts';
export type { ExportedFile, ExportedModel, ExportOptions } from './exporting/export-model.ts';
export type { FileContent, FileWriter } from './files/staged-folder.ts';
export { frontIndex, writeFront } from './exporting/front-folder.ts';
export type { FrontEntry, FrontIndex } from './exporting/front-folder.ts';
export { exportDtypes } from './exporting/precision.ts';
export type { ExportDtype } from './exporting/precision.ts';

// Running graphs in Node
export { nodeRuntime } from './runtime/node/runtime.ts';
export { floats, integers } from './runtime/runtime.ts';
export type { Device, Runtime, RuntimeTensor, Session, SessionOptions, TensorData } from './runtime/runtime.ts';

// Errors
export { DiffrateError, UsageError } from './errors.ts';
