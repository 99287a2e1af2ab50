/**
 * `diffrate/study`: evaluation in detail, methods of token reduction side by side at equal cost,
 * random schedules, and reports with pictures, in Node.
 * @module diffrate/study
 */

// Methods
export { buildMethod, parseMethod, reductionMethods } from '../reduction/methods/registry.ts';
export type { NamedMethod } from '../reduction/methods/registry.ts';
export type {
  BlockWork,
  BuiltMethod,
  Knob,
  MethodResources,
  Parameters as MethodParameters,
  ParameterKey,
  ParameterValue,
  ReductionMethod,
} from '../reduction/methods/method.ts';
export { formatMethod } from '../reduction/methods/method-text.ts';
export type { MethodText } from '../reduction/methods/method-text.ts';
export { countMethodFlops } from '../cost/method-flops.ts';

// Comparison
export { compareMethods } from '../comparison/compare-methods.ts';
export type {
  BaselineResult,
  BudgetRanking,
  Comparison,
  ComparisonCell,
  MeasuredCell,
  MissingCell,
} from '../comparison/comparison.ts';
export type {
  ComparisonOptions,
  ComparisonProgress,
  RandomSchedulesRequest,
} from '../comparison/comparison-options.ts';
export { allMethods, parseMethodList } from '../comparison/method-list.ts';
export { rankSchedules } from '../comparison/random-ranking.ts';
export type {
  PlacedSchedule,
  Placement,
  RankedSchedule,
  Ranking,
  RankingOptions,
  RankingProgress,
  RankingSums,
} from '../comparison/random-ranking.ts';
export { randomSchedules } from '../comparison/random-schedules.ts';
export type { RandomScheduleOptions } from '../comparison/random-schedules.ts';
export { listedSchedules, searchedSchedules } from '../comparison/schedule-source.ts';
export type {
  FoundSchedule,
  NoSchedule,
  ScheduleSource,
  ScheduleWish,
  SearchStage,
  SearchedSchedulesOptions,
} from '../comparison/schedule-source.ts';

// Reports
export { comparisonReport, compressionReport, picturesReport } from '../report/report.ts';
export type { CompressionFacts, PictureFacts, Provenance } from '../report/report.ts';
export { reportPage } from '../report/page.ts';
export type { ReportPage, ReportSection } from '../report/page.ts';
export { drawPictures, encodePng } from '../report/picture-series.ts';
export type { BlockPicture, PictureRequest, PictureSeries } from '../report/picture-series.ts';
export type { TraceOptions } from '../report/token-trace.ts';
export type { TokenCounts } from '../report/token-groups.ts';
export type { ChangedImage, ChangedImages } from '../report/changed-images.ts';
export type { OriginalCheckpoint, SizedFile } from '../report/sections/files.ts';
export type { NextStep } from '../report/sections/next-steps.ts';
export type { Fact } from '../report/sections/provenance.ts';
export type { SearchTarget } from '../report/sections/search-course.ts';
export type { Html } from '../report/html.ts';

// Evaluation in detail
export { evaluateEach, evaluateVariants } from '../evaluation/evaluate.ts';
export type { EachEvaluationOptions, EvaluationProgress, VariantAnswers } from '../evaluation/evaluation-options.ts';
export type { BeforeAndAfter, Measured, MeasuredThroughput, Measurements } from '../evaluation/measurements.ts';
export type { Guess, ImagePrediction } from '../evaluation/predictions.ts';
export { answersVerdict } from '../evaluation/verdict.ts';
export type { Verdict } from '../evaluation/verdict.ts';
export type { MeasuredObjective, Metrics } from '../evaluation/metrics.ts';
export { measureEach } from '../evaluation/throughput.ts';
export type { EachTimingOptions, TimedVariant, TimingOptions } from '../evaluation/throughput.ts';

// What was written
export type { SearchFigures } from '../compress/compress-options.ts';
export type { ExportedFile } from '../exporting/export-model.ts';
export { frontIndex } from '../exporting/front-folder.ts';
export type { FrontEntry, FrontIndex, WrittenFront } from '../exporting/front-folder.ts';
export type { FileContent, FileWriter } from '../files/staged-folder.ts';
