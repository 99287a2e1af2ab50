/**
 * `diffrate`: what the command line does, as a library for Node. The graph engine (`diffrate/graph`), the ONNX format
 * (`diffrate/onnx`) and the browser's runtime (`diffrate/runtime/web`) have entries of their own and need no Node.
 */

// Networks and their weights
export { readCheckpoint } from './checkpoints/load.ts';
export type { HubOptions } from './checkpoints/hub.ts';
export type { JsonObject } from './checkpoints/model-folder.ts';
export type { Weights, WeightTensor } from './checkpoints/weights.ts';
export { loadModel } from './loading/load-model.ts';
export type { LoadedModel, LoadModelOptions } from './loading/load-model.ts';
export { square } from './data/preprocessing.ts';
export type { ImageSize, Preprocessing } from './data/preprocessing.ts';
export type { ConfigurationFile, DeclaredNetwork, FittedNetwork, NetworkFamily } from './networks/family.ts';
export { forward, pixelInput } from './networks/forward.ts';
export type { ForwardOptions, ForwardOutputs } from './networks/forward.ts';
export { namedShape } from './networks/model.ts';
export type { Model } from './networks/model.ts';
export type {
  BlockContext,
  Network,
  NetworkDescription,
  NetworkInput,
  NetworkOutputs,
  NormBefore,
  Span,
} from './networks/network.ts';
export type { BlockFlops, NetworkFlops } from './networks/network-flops.ts';
export { parametersFromWeights } from './networks/parameters.ts';
export { networkParameters } from './networks/recorded-parameters.ts';
export type { RecordedParameter } from './networks/recorded-parameters.ts';
export { findModel, lookUpModel, registry } from './networks/registry.ts';
export type { RegistryEntry } from './networks/registry.ts';
export { usualVisionTransformer } from './networks/vision-transformer/configuration.ts';
export type { PrefixTokens, VisionTransformerConfiguration } from './networks/vision-transformer/configuration.ts';
export { visionTransformer } from './networks/vision-transformer/vision-transformer.ts';
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
export type { EffectiveBlock, KeptNumbers, Schedule, ScheduleCost } from './reduction/schedule.ts';
export { mergeRules } from './reduction/merge-rule.ts';
export type { MergeRule } from './reduction/merge-rule.ts';
export { validateSchedule } from './reduction/validate-schedule.ts';
export type { InputSize, ScheduleValidationOptions } from './reduction/validate-schedule.ts';
export { compressibleBlocks } from './reduction/network-shape.ts';
export type { FeatureSizes, ImportanceSource, NetworkShape } from './reduction/network-shape.ts';
export { gridTokens, smallestKept, tokenCount } from './reduction/token-layout.ts';
export type { TokenLayout } from './reduction/token-layout.ts';

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
export type { DiffRateOptions, RankedTokens, ReductionOrder } from './reduction/methods/diffrate.ts';
export { keepAllTokens } from './reduction/token-reducer.ts';
export type {
  AttendedView,
  BlockView,
  MaskedAttention,
  QuerySelection,
  TokenReducer,
} from './reduction/token-reducer.ts';
export { firstTokens, gatherTokens, sourceOf, splitTokens, withTraveller } from './reduction/token-state.ts';
export type { TokenState, Traveller, TravellerRule, Travellers } from './reduction/token-state.ts';

// Objectives
export { objectiveFor, objectives, objectiveTitle } from './objectives/registry.ts';
export type { ObjectiveEntry, ObjectiveName } from './objectives/registry.ts';
export type { Answers, Measure, MeasureResult, Objective } from './objectives/objective.ts';

// Cost
export { formatCost } from './cost/cost.ts';
export type { Cost, CostRange, CostTarget } from './cost/cost.ts';
export { baselineFlops, countFlops } from './cost/flops.ts';
export type { CountedNetwork, FlopsCount } from './cost/flops.ts';
export { flopsCost } from './cost/flops-cost.ts';
export { countGraphFlops } from './cost/graph-flops.ts';
export { countMethodFlops } from './cost/method-flops.ts';
export type { SearchSpace } from './reduction/search-space.ts';

// Images
export { openImageFolder } from './data/open-image-folder.ts';
export type { FolderImage, ImageFolder } from './data/image-folder.ts';
export type { OpenImageFolderOptions } from './data/open-image-folder.ts';
export type { SkippedImage } from './data/batches.ts';
export type { ImageDecoder } from './data/decode.ts';
export { DecodedImages } from './data/decoded-images.ts';
export type { Announcement, CachedImage, DecodedImagesOptions } from './data/decoded-images.ts';
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
  PresetName,
  RefinementRecipe,
  SurfaceRecipe,
} from './search/presets.ts';
export { searchFront } from './search/front/front.ts';
export type {
  FrontOptions,
  FrontOutcome,
  FrontPoint,
  FrontProgress,
  FrontRange,
} from './search/front/front-options.ts';
export type {
  SearchHistoryEntry,
  SearchOptions,
  SearchOutcome,
  SearchPhase,
  SearchProgress,
} from './search/search-options.ts';
export type { TargetKind, TargetRecipe } from './execution/soft-targets.ts';
export type { Evaluator } from './execution/evaluator.ts';
export type { BlockGradients, StepResult } from './execution/gradient-step.ts';
export type { BlockMasks } from './execution/masks.ts';
export type { Looks } from './execution/looks.ts';
export type { LocalEvaluatorOptions } from './execution/local-evaluator.ts';

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
  VariantAnswers,
} from './evaluation/evaluate.ts';
export type { BeforeAndAfter, Measured, MeasuredThroughput, Measurements } from './evaluation/measurements.ts';
export type { MeasuredObjective, Metrics } from './evaluation/metrics.ts';
export { networkModel } from './execution/network-session.ts';
export type { BuiltNetwork } from './execution/network-session.ts';
export { measureThroughput } from './evaluation/throughput.ts';
export type { ThroughputOptions, ThroughputRun } from './evaluation/throughput.ts';

// Comparison of methods
export { compareMethods } from './comparison/compare-methods.ts';
export type {
  BaselineResult,
  BudgetRanking,
  Comparison,
  ComparisonCell,
  MeasuredCell,
  MissingCell,
} from './comparison/comparison.ts';
export type { ComparisonOptions, ComparisonProgress, RandomSchedulesRequest } from './comparison/comparison-options.ts';
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
export type { TraceOptions } from './report/token-trace.ts';
export type { TokenCounts } from './report/token-groups.ts';
export type { Fact } from './report/sections/provenance.ts';
export type { SearchTarget } from './report/sections/search-course.ts';
export type { Html } from './report/html.ts';

// Export
export { exportModel } from './exporting/export-model.ts';
export type { ExportedFile, ExportedModel, ExportOptions } from './exporting/export-model.ts';
export type { FileContent, FileWriter } from './files/staged-folder.ts';
export { frontIndex, writeFront } from './exporting/front-folder.ts';
export type { FrontEntry, FrontIndex, WrittenFront } from './exporting/front-folder.ts';
export { exportDtypes } from './exporting/precision.ts';
export type { ExportDtype } from './exporting/precision.ts';

// Running graphs in Node
export { nodeRuntime } from './runtime/node/runtime.ts';
export { floats, integers } from './runtime/runtime.ts';
export type { Device, Runtime, RuntimeTensor, Session, SessionOptions, TensorData } from './runtime/runtime.ts';

// Errors
export { DiffrateError, UsageError } from './errors.ts';
