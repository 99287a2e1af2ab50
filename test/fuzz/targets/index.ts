/** Every target, in the order in which they run. A new one is a line here. */
import type { FuzzTarget } from '../target.ts';
import { pytorch, safetensors } from './checkpoints.ts';
import { correction } from './correction.ts';
import { bmp, idx, jpeg, png } from './images.ts';
import { onnx } from './onnx.ts';
import { searchProgress } from './search-progress.ts';
import { configuration, labels, preprocessor, schedule } from './texts.ts';

/** The targets. */
export const fuzzTargets: readonly FuzzTarget[] = [
  pytorch,
  safetensors,
  correction,
  onnx,
  idx,
  bmp,
  jpeg,
  png,
  labels,
  configuration,
  preprocessor,
  schedule,
  searchProgress,
];
