/** What distances mean in words: each range, and none where nobody measured one. */
import { describe, expect, it } from 'vitest';
import type { Metrics } from '../../src/evaluation/metrics.ts';
import { answersVerdict } from '../../src/evaluation/verdict.ts';

const metrics = (changes: Partial<Metrics>): Metrics => ({
  images: 500,
  objective: null,
  top1: null,
  top5: null,
  loss: null,
  agreement: null,
  kl: null,
  featureDistance: null,
  neighbourAgreement: null,
  ...changes,
});

const ofKl = (kl: number, changes: Partial<Metrics> = {}): Metrics =>
  metrics({ kl, agreement: 96.84, objective: { name: 'classDivergence', value: kl, unit: 'nats' }, ...changes });

describe('the verdict on a KL', () => {
  it.each([
    [0, 'did not move', 'below 0.003 went with 98 to 100 %'],
    [0.0029, 'hardly moved', 'below 0.003 went with 98 to 100 %'],
    [0.003, 'moved a little', 'of 0.003 to 0.01 went with 97 to 98 %'],
    [0.0099, 'moved a little', 'of 0.003 to 0.01'],
    [0.0134, 'moved somewhat', 'of 0.01 to 0.03 went with 94 to 97 % agreement and up to 1.5 points'],
    [0.03, 'moved much', 'of 0.03 to 0.1 went with 91 to 95 %'],
    [0.1, 'moved very much', 'above 0.1 went with less than 90 %'],
    [12, 'moved very much', 'above 0.1'],
  ])('%f: %s', (kl, moved, source) => {
    const verdict = answersVerdict(ofKl(kl));
    expect(verdict?.words).toBe(
      `The answers ${moved} (KL ${kl.toFixed(4)} nats; the same class for 96.8 % of 500 images).`,
    );
    expect(verdict?.source).toContain(source);
    expect(verdict?.source).toMatch(/DeiT-T and 650 images.*docs\/results\.md, “What a KL goes with”.*may differ/);
  });

  it('says that few images say little', () => {
    expect(answersVerdict(ofKl(0, { images: 1 }))?.words).toMatch(/ One image is few: evaluate on more/);
    expect(answersVerdict(ofKl(0, { images: 99 }))?.words).toMatch(/ 99 images are few/);
    expect(answersVerdict(ofKl(0, { images: 100 }))?.words).not.toMatch(/few/);
  });
});

describe('the verdict on other answers', () => {
  const of = (name: string, value: number, changes: Partial<Metrics> = {}): Metrics =>
    metrics({ objective: { name, value, unit: 'x' }, ...changes });

  it('never speaks of classes or KL', () => {
    const regression = answersVerdict(of('regressionError', 0.0321));
    expect(regression).toEqual({
      words: 'The numbers are off by 3.2 % of how much they vary from image to image (root mean square).',
    });
    const features = answersVerdict(of('featureDistance', 0.01, { neighbourAgreement: 87.54, featureDistance: 0.01 }));
    expect(features).toEqual({
      words: 'For 87.5 % of the images the most similar other image is still the same one.',
    });
  });

  it('is none where nobody measured what such a distance goes with', () => {
    expect(answersVerdict(of('multiLabelDivergence', 0.01, { agreement: 99 }))).toBeNull();
    expect(answersVerdict(of('featureDistance', 0.01))).toBeNull();
    expect(answersVerdict(of('something of one’s own', 0.01))).toBeNull();
    expect(answersVerdict(metrics({}))).toBeNull();
  });
});
