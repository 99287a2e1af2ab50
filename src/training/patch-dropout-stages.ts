/**
 * Patch dropout that changes while training goes on: most of a run on few patches, where steps are
 * cheap, and its end on many or all of them, which closes the gap to the whole images that are
 * evaluated. (Unmasked tuning, arXiv 2212.00794, section 3.2.)
 */
import { DiffrateError } from '../errors.ts';

/** A part of a run with one rate. */
export interface PatchDropoutStage {
  /** Share of patches that every image loses, from 0 to below 1. */
  readonly rate: number;
  /** Where the stage ends, as a share of all steps: above the one before it, 1 for the last. */
  readonly until: number;
}

/** One rate for the whole run, or stages. */
export type PatchDropoutCourse = number | readonly PatchDropoutStage[];

/** Whether any step drops patches. */
export function dropsPatches(course: PatchDropoutCourse): boolean {
  return typeof course === 'number' ? course > 0 : course.some(({ rate }) => rate > 0);
}

/**
 * The rate of a step.
 * @param step from 0 to below `steps`.
 */
export function patchDropoutAt(course: PatchDropoutCourse, step: number, steps: number): number {
  if (typeof course === 'number') return course;
  const stage = course.find(({ until }) => step < until * steps) ?? course.at(-1);
  return stage?.rate ?? 0;
}

/**
 * Checks a course.
 * @throws {DiffrateError} if stages do not follow each other up to 1.
 */
export function checkPatchDropout(course: PatchDropoutCourse): void {
  if (typeof course === 'number') return;
  const ends = course.map(({ until }) => until);
  if (ends.at(-1) === 1 && ends.every((end, stage) => end > (ends[stage - 1] ?? 0))) return;
  throw new DiffrateError(
    `The stages of patch dropout end at [${ends.join(', ')}] of the run: let "until" rise from stage to stage and be 1 in the last.`,
  );
}
