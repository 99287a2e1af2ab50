/** Cosine distances and nearest neighbours of features, against plain loops and by hand. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { featureDistance } from '../../src/objectives/feature-distance.ts';
import { mostNeighbours, NearestNeighbours } from '../../src/objectives/nearest-neighbours.ts';
import { drawn, mean, rows } from './drawn-answers.ts';

const product = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? NaN), 0);
const cosine = (a: readonly number[], b: readonly number[]): number =>
  product(a, b) / Math.sqrt(product(a, a) * product(b, b));

/** The nearest other row of each. */
const neighbours = (features: readonly number[][]): number[] =>
  features.map((own, image) => {
    const cosines = features.map((other, index) => (index === image ? -Infinity : cosine(own, other)));
    return cosines.indexOf(Math.max(...cosines));
  });

/** Directions in the plane by their angles in degrees, of different lengths. */
const directions = (...degrees: number[]): Float32Array =>
  Float32Array.from(
    degrees.flatMap((degree, index) => {
      const angle = (degree * Math.PI) / 180;
      return [(index + 1) * Math.cos(angle), (index + 1) * Math.sin(angle)];
    }),
  );

const situations = fc.record({
  size: fc.integer({ min: 2, max: 9 }),
  images: fc.integer({ min: 3, max: 12 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  scale: fc.constantFrom(1e-6, 1, 1e6),
});

describe('featureDistance', () => {
  it('is one minus the cosine, and counts images that keep their nearest neighbour', () => {
    fc.assert(
      fc.property(situations, ({ size, images, seed, scale }) => {
        const plain = drawn(seed, images * size, scale);
        const noise = drawn(seed + 1, images * size, scale);
        const answers = plain.map((value, index) => value + 0.5 * (noise[index] ?? 0));
        const objective = featureDistance(size);
        const targets = objective.targets(plain);
        const [own, reference] = [rows(answers, size), rows(plain, size)];
        const wanted = own.map((row, image) => 1 - cosine(row, reference[image] ?? []));
        for (const row of rows(targets, size)) expect(product(row, row)).toBeCloseTo(1, 6);
        wanted.forEach((distance, image) => {
          const range = [image * size, (image + 1) * size] as const;
          expect(objective.distance(targets.subarray(...range), answers.subarray(...range))).toBeCloseTo(distance, 6);
        });
        const measure = objective.measure();
        measure.add(answers.subarray(0, size), plain.subarray(0, size));
        measure.add(answers.subarray(size), plain.subarray(size));
        const { value, neighbourAgreement } = measure.result();
        expect(value).toBeCloseTo(mean(wanted), 12);
        const [near, nearPlain] = [neighbours(own), neighbours(reference)];
        expect(neighbourAgreement).toBeCloseTo(
          100 * mean(near.map((other, image) => Number(other === nearPlain[image]))),
          10,
        );
      }),
    );
  });

  it('is 1 at right angles, 2 between opposites, and does not mind lengths', () => {
    const objective = featureDistance(2);
    const target = objective.targets(Float32Array.of(5, 0));
    expect([...target]).toEqual([1, 0]);
    expect(objective.distance(target, Float32Array.of(1e-3, 0))).toBe(0);
    expect(objective.distance(target, Float32Array.of(0, 9))).toBeCloseTo(1, 12);
    expect(objective.distance(target, Float32Array.of(-2, 0))).toBeCloseTo(2, 12);
    expect(objective.floor(target)).toBe(0);
  });

  it('has a word on features of zeros, which have no direction', () => {
    const objective = featureDistance(2);
    const zeros = new Float32Array(2);
    expect(objective.targets(zeros)).toEqual(zeros);
    expect(objective.distance(zeros, zeros)).toBe(0);
    expect(objective.distance(Float32Array.of(0, 1), zeros)).toBe(0.5);
    expect(objective.distance(zeros, Float32Array.of(0, 3))).toBe(0.5);
  });

  it('finds neighbours of directions in the plane', () => {
    const measure = featureDistance(2).measure();
    // By the plain network 0° and 10° are neighbours, and 90° is next to 130°; by the other one 90°
    // has gone over to 60°.
    measure.add(directions(0, 10, 60, 130), directions(0, 10, 90, 130));
    // Nearest, plain: 1, 0, 3, 2; changed: 1, 0, 1, 2.
    expect(measure.result().neighbourAgreement).toBe(75);
  });

  it('has no neighbours with fewer than three images', () => {
    const measure = featureDistance(2).measure();
    expect(measure.result()).toEqual({ value: null, neighbourAgreement: null });
    measure.add(directions(0, 40), directions(0, 50));
    expect(measure.result().neighbourAgreement).toBeNull();
    measure.add(directions(90), directions(90));
    expect(measure.result().neighbourAgreement).not.toBeNull();
  });
});

describe('NearestNeighbours', () => {
  it('takes the first of equally near ones', () => {
    const found = new NearestNeighbours();
    for (let image = 0; image < 4; image++) found.add(Float64Array.of(1, 0));
    expect([...found.nearest()]).toEqual([1, 0, 0, 0]);
  });

  it('looks at the first images only where there are many', () => {
    const found = new NearestNeighbours();
    for (let image = 0; image < mostNeighbours + 5; image++) found.add(Float64Array.of(1));
    expect(found.nearest()).toHaveLength(mostNeighbours);
  });

  it('says −1 where there is no other', () => {
    const found = new NearestNeighbours();
    expect([...found.nearest()]).toEqual([]);
    found.add(Float64Array.of(1));
    expect([...found.nearest()]).toEqual([-1]);
  });
});
