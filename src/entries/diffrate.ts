/**
 * `diffrate`: makes a vision transformer faster, in Node. `compress` does it all; the other names
 * are its steps. Types that only experts name are in `diffrate/networks`, `diffrate/search` and
 * `diffrate/study`.
 * @module diffrate
 */

// The main job
export { compress } from '../compress/compress.ts';
export type { CompressionResult, CompressOptions, CompressProgress } from '../compress/compress-options.ts';
export type { MeasuredPrecision } from '../exporting/measured-precision.ts';

// Models and images
export { loadModel } from '../loading/load-model.ts';
export type { LoadModelOptions } from '../loading/load-model.ts';
export type { LoadedModel } from '../loading/model-from-files.ts';
export type { HubOptions } from '../checkpoints/hub.ts';
export { registry } from '../networks/registry.ts';
export { openImages } from '../data/open-images.ts';
export type { ImageInput } from '../data/open-images.ts';
export type { OpenImageFolderOptions } from '../data/open-image-folder.ts';
export type { ImageSource } from '../data/image-source.ts';
export type { MemoryImage } from '../data/memory-images.ts';
export { DecodedImages } from '../data/decoded-images.ts';

// Search
export { searchFront, searchSchedule } from '../compress/search.ts';
export type { NodeFrontOptions, NodeSearchOptions } from '../compress/search.ts';
export type { SearchOutcome, SearchProgress } from '../search/search-options.ts';
export type { FrontOutcome } from '../search/front/front-options.ts';
export { presets } from '../search/presets.ts';
export { progressFile } from '../files/progress-file.ts';
export type { ProgressStore } from '../files/progress-store.ts';
export { objectiveFor, objectives } from '../objectives/registry.ts';
export type { Objective } from '../objectives/objective.ts';
export { flopsCost } from '../cost/flops-cost.ts';
export type { Cost, CostTarget } from '../cost/cost.ts';

// Schedules
export { readScheduleFile, writeScheduleFile } from '../exporting/schedule-file.ts';
export { findPublishedSchedule, publishedSchedules } from '../reduction/published-schedules.ts';
export type { Schedule } from '../reduction/schedule.ts';
export { withSelection } from '../reduction/selection-choice.ts';
export type { SelectionChoice } from '../reduction/selection-choice.ts';

// Export
export { exportModel } from '../exporting/export-model.ts';
export type { ExportedModel, ExportOptions } from '../exporting/export-model.ts';
export { writeFront } from '../exporting/front-folder.ts';
export { exportDtypes } from '../exporting/precision.ts';
export type { ExportDtype } from '../exporting/precision.ts';

// Evaluation
export { evaluateModel, evaluateVariants } from '../evaluation/evaluate.ts';
export type { EvaluationOptions, EvaluationResult, Variant } from '../evaluation/evaluation-options.ts';
export { measureThroughput } from '../evaluation/throughput.ts';
export type { ThroughputOptions, ThroughputRun } from '../evaluation/throughput.ts';

// Running graphs
export { nodeRuntime } from '../runtime/node/runtime.ts';
export { floats, integers } from '../runtime/runtime.ts';
export type { Device, Runtime } from '../runtime/runtime.ts';

// Errors
export { DiffrateError, UsageError } from '../errors.ts';
