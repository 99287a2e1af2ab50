/**
 * `diffrate/networks`: networks as functions over symbolic tensors, what reduces their tokens, and
 * models from files that a page has fetched. It runs in browsers and in Node.
 * @module diffrate/networks
 */

// Models
export { decodeSafetensors } from '../checkpoints/safetensors.ts';
export type { JsonObject } from '../checkpoints/json-object.ts';
export type { Weights, WeightTensor } from '../checkpoints/weights.ts';
export { preprocessImage } from '../data/preprocess.ts';
export { square } from '../data/preprocessing.ts';
export { preprocessingFromProcessor } from '../loading/preprocessor-configuration.ts';
export type { NetworkImages } from '../loading/preprocessor-configuration.ts';
export type { DecodedImage, ImageReduction } from '../data/decoded-image.ts';
export type { PixelBox } from '../data/pillow-resize.ts';
export type { ImageSize, PerChannel, Preprocessing } from '../data/preprocessing.ts';
export { modelFromFiles } from '../loading/model-from-files.ts';
export type { LoadedModel, ModelFiles, ModelPaths } from '../loading/model-from-files.ts';
export type { Labels } from '../loading/labels.ts';
export { networkModel } from '../execution/network-session.ts';
export type { BuiltNetwork } from '../execution/network-session.ts';

// Networks
export type { ConfigurationFile, DeclaredNetwork, FittedNetwork, NetworkFamily } from '../networks/family.ts';
export { forward, pixelInput } from '../networks/forward.ts';
export type { ForwardOptions, ForwardOutputs } from '../networks/forward.ts';
export { namedShape } from '../networks/model.ts';
export type { Model } from '../networks/model.ts';
export type {
  BlockContext,
  Network,
  NetworkDescription,
  NetworkInput,
  NetworkOutputs,
  NormBefore,
  Span,
} from '../networks/network.ts';
export type { BlockFlops, NetworkFlops } from '../networks/network-flops.ts';
export { parametersFromWeights } from '../networks/parameters.ts';
export { networkParameters } from '../networks/recorded-parameters.ts';
export type { RecordedParameter } from '../networks/recorded-parameters.ts';
export { findModel, lookUpModel, registry } from '../networks/registry.ts';
export type { RegistryEntry } from '../networks/registry.ts';
export { usualVisionTransformer } from '../networks/vision-transformer/configuration.ts';
export type { PrefixTokens, VisionTransformerConfiguration } from '../networks/vision-transformer/configuration.ts';
export { visionTransformer } from '../networks/vision-transformer/vision-transformer.ts';
export { residualBranches } from '../nn/drop-path.ts';
export type { BranchTransform, ResidualBranch } from '../nn/drop-path.ts';
export type { Parameters } from '../nn/parameters.ts';

// Schedules
export { findPublishedSchedule, publishedSchedules } from '../reduction/published-schedules.ts';
export type { PublishedSchedule } from '../reduction/published-schedules.ts';
export {
  effectiveSchedule,
  effectiveTokens,
  parseSchedule,
  serializeSchedule,
  uncompressed,
} from '../reduction/schedule.ts';
export type { EffectiveBlock, KeptNumbers, Schedule, ScheduleCost } from '../reduction/schedule.ts';
export { mergeRules } from '../reduction/merge-rule.ts';
export type { MergeRule } from '../reduction/merge-rule.ts';
export { selectionNames, settledSelection, withSelection } from '../reduction/selection-choice.ts';
export type { SelectionChoice, SelectionName, SelectionRemarks } from '../reduction/selection-choice.ts';
export { dissimilarity, selectionRules } from '../reduction/selection.ts';
export type { Selection, SelectionRule } from '../reduction/selection.ts';
export { validateSchedule } from '../reduction/validate-schedule.ts';
export type { InputSize, ScheduleValidationOptions } from '../reduction/validate-schedule.ts';
export { compressibleBlocks } from '../reduction/network-shape.ts';
export type { FeatureSizes, ImportanceSource, NetworkShape } from '../reduction/network-shape.ts';
export { gridTokens, smallestKept, tokenCount } from '../reduction/token-layout.ts';
export type { TokenLayout } from '../reduction/token-layout.ts';

// Methods of token reduction
export { importanceMetrics } from '../reduction/importance.ts';
export type { ImportanceMetric } from '../reduction/importance.ts';
export { diffRate, reductionOrders } from '../reduction/methods/diffrate.ts';
export type { DiffRateOptions, RankedTokens, ReductionOrder } from '../reduction/methods/diffrate.ts';
export { keepAllTokens } from '../reduction/token-reducer.ts';
export type {
  AttendedView,
  BlockView,
  FusedTokens,
  MapView,
  MaskedAttention,
  QuerySelection,
  TokenReducer,
} from '../reduction/token-reducer.ts';
export { firstTokens, gatherTokens, sourceOf, splitTokens, withTraveller } from '../reduction/token-state.ts';
export type { SelectedTokens, TokenState, Traveller, TravellerRule, Travellers } from '../reduction/token-state.ts';

// Counts
export { baselineFlops, countFlops } from '../cost/flops.ts';
export type { CountedNetwork, FlopsCount } from '../cost/flops.ts';
export { countGraphFlops } from '../cost/graph-flops.ts';

// Errors
export { DiffrateError, UsageError } from '../errors.ts';
