/**
 * A correction without FLOPs: scales and biases of norms and biases of linear layers are trained
 * for a schedule, towards the plain network's own answers. Tokens are really dropped meanwhile;
 * which ones go is taken as fixed within a step. Nothing is added to the network. One image in five
 * is held out, and of all looks at these the parameters of the best one are kept.
 */
import { DecodedImages } from '../data/decoded-images.ts';
import { openImages } from '../data/open-images.ts';
import type { ImageInput } from '../data/open-images.ts';
import type { Model } from '../networks/model.ts';
import { requireKnownOptions } from '../options/known-options.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { nodeRuntime } from '../runtime/node/runtime.ts';
import { resumedFrom } from '../search/checkpoint.ts';
import { TrainingRunner } from '../training/training-runner.ts';
import { correctionCheckpoint } from './correction-checkpoint.ts';
import { correctionOptionNames } from './correction-options.ts';
import type { CorrectionOptions, CorrectionOutcome, CorrectionProgress } from './correction-options.ts';
import { planCorrection } from './correction-plan.ts';
import { CorrectionRun } from './correction-run.ts';
import { HeldOutImages } from './held-out-images.ts';

/**
 * Trains a correction of a schedule.
 * @param images to calibrate on, without labels; a part of them is held out.
 * @returns the correction, and what it is worth on the held-out images; `null` in its place where
 *   nothing was better than the network as it is.
 * @throws {DiffrateError} for a schedule that does not fit, images that cannot be used or are too
 *   few, progress of other work, a loss that diverges, or where `signal` stopped it.
 */
export async function correctSchedule(
  model: Model,
  schedule: Schedule,
  images: ImageInput,
  options: CorrectionOptions = {},
  onProgress: (progress: CorrectionProgress) => void = () => {},
): Promise<CorrectionOutcome> {
  requireKnownOptions(options, correctionOptionNames, 'correction');
  const { strict, onWarning, device, threads, runtime = nodeRuntime } = options;
  const source = await openImages(images, { strict, onWarning });
  const settled = await planCorrection(model, schedule, source, options);
  const resumed = await resumedFrom(options, settled.identity, correctionCheckpoint);
  const session = { device, threads };
  const { plan, training } = settled;
  const identity = (): Promise<string> => Promise.resolve(JSON.stringify(settled.identity));
  const runner = await TrainingRunner.load(runtime, training, { ...plan, identity }, session, 0);
  let heldOut: HeldOutImages | undefined;
  try {
    heldOut = await HeldOutImages.load(
      runtime,
      {
        model,
        schedule,
        layout: plan.layout,
        objective: runner.objective,
        images: settled.heldOut,
        targetsOf: (pixels) => runner.targetsOf(pixels),
      },
      session,
      { ...options, decoded: options.decoded ?? new DecodedImages() },
    );
    const run = new CorrectionRun(settled, options, runner, heldOut, onProgress);
    if (resumed !== undefined) run.restore(resumed);
    return await run.finish();
  } finally {
    await heldOut?.dispose();
    await runner.dispose();
  }
}
