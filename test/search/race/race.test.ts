/** Races of schedules whose losses are no numbers: they never win, and none leads. */
import { describe, expect, it } from 'vitest';
import { Looks } from '../../../src/execution/looks.ts';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import { bestAtLook, lossesOf, raceAgainst } from '../../../src/search/race/race.ts';
import type { ComparedImages, ScheduleLosses } from '../../../src/search/race/race.ts';

const schedule = (loss: number): KeptNumbers => ({ pruneKept: [loss], mergeKept: [loss] });

/** Four images in two looks; each schedule's kept number is its loss. */
class Images implements ComparedImages {
  readonly looks = new Looks(4, 2);
  led: number | undefined;

  candidate({ pruneKept: [loss = 0] }: KeptNumbers): ScheduleLosses {
    const losses = new Float64Array(this.looks.images);
    return {
      losses,
      passes: 1,
      run: (look) => {
        losses.fill(loss, ...this.looks.range(look));
        return Promise.resolve();
      },
      lead: () => {
        this.led = loss;
      },
    };
  }
}

describe('a loss that is no number', () => {
  it.each([NaN, Infinity])('does not win a race: %d', async (loss) => {
    const images = new Images();
    const { losses } = await lossesOf(images, schedule(3));
    expect(await raceAgainst(images, schedule(loss), losses)).toMatchObject({ won: false, losses });
    expect(images.led).toBe(3);
    expect((await raceAgainst(images, schedule(2), losses)).won).toBe(true);
  });

  it('is passed over where the best of several is looked for', async () => {
    const images = new Images();
    const best = await bestAtLook(images, [schedule(NaN), schedule(4), schedule(NaN), schedule(3)], 0);
    expect(best.kept).toEqual(schedule(3));
  });

  it('ends the search where there is no other', async () => {
    const images = new Images();
    for (const lost of [lossesOf(images, schedule(NaN)), bestAtLook(images, [schedule(NaN)], 1)])
      await expect(lost).rejects.toThrow(/calibration image is NaN, no number; check that the weights/);
    expect(images.led).toBeUndefined();
  });
});
