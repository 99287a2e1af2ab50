/**
 * Without images there is nothing to search on: the authors' published schedule nearest to the
 * target takes the search's place.
 */
import { UsageError } from '../errors.ts';
import { publishedSchedules } from '../reduction/published-schedules.ts';
import type { PublishedSchedule } from '../reduction/published-schedules.ts';

/** How far below the target, and above it, a published schedule may lie. */
const allowed = { below: 0.1, above: 0.01 } as const;

/** Without images, and no published schedule is near: a search would find one. */
export class NoPublishedScheduleError extends UsageError {
  override name = 'NoPublishedScheduleError';
  /** What is wrong, a sentence without its end: what to do depends on who asks. */
  readonly facts: string;

  /** @param facts what is wrong, without a full stop */
  constructor(facts: string) {
    super(`${facts}: give images to search one on.`);
    this.facts = facts;
  }
}

/**
 * The published schedule for a network that costs most within the target.
 * @param model registry name
 * @param gflops target in 10⁹ multiply-accumulates
 * @throws {NoPublishedScheduleError} if none is near
 */
export function publishedScheduleNear(model: string, gflops: number): PublishedSchedule {
  const ofModel = publishedSchedules.filter((schedule) => schedule.model === model);
  const costs = ofModel.map((schedule) => ({ schedule, cost: schedule.gflops ?? Infinity }));
  const near = costs.filter(({ cost }) => cost <= gflops * (1 + allowed.above) && cost >= gflops * (1 - allowed.below));
  const [best] = near.sort((a, b) => b.cost - a.cost);
  if (best !== undefined) return best.schedule;
  const known =
    costs.length === 0
      ? 'none is published for this network'
      : `published for it are ${costs.map(({ cost }) => cost).join(', ')} GFLOPs`;
  throw new NoPublishedScheduleError(
    `Without images only published schedules can be exported, and none is near ${Number(gflops.toPrecision(4))} GFLOPs for ${model} (${known})`,
  );
}
