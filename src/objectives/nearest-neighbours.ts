/**
 * Which other image is nearest to each: `argmax over j ≠ i of u_i·u_j`, the cosine of features at
 * unit length, in float64. Every pair is compared, so that n images take n²/2 products. Of more
 * than 4,000 images only the first 4,000 are compared.
 */

/** Images beyond this many are left out. */
export const mostNeighbours = 4000;

/** Collects features and finds each one's nearest. */
export class NearestNeighbours {
  readonly #features: Float64Array[] = [];

  /**
   * Takes one image's feature `[D]` of unit length in, or leaves it out where there are enough; it
   * keeps the array.
   */
  add(feature: Float64Array): void {
    if (this.#features.length < mostNeighbours) this.#features.push(feature);
  }

  /**
   * Index of the nearest other image of each `[n]`; of equally near ones the first, −1 where there
   * is no other.
   */
  nearest(): Int32Array {
    const features = this.#features;
    const nearest = new Int32Array(features.length).fill(-1);
    const cosines = new Float64Array(features.length).fill(-Infinity);
    const offer = (image: number, other: number, cosine: number): void => {
      if (cosine <= (cosines[image] ?? Infinity)) return;
      cosines[image] = cosine;
      nearest[image] = other;
    };
    // Each image meets the others in their order, although each pair is computed once.
    features.forEach((feature, image) => {
      for (let other = image + 1; other < features.length; other++) {
        const cosine = dot(feature, features[other] as Float64Array);
        offer(image, other, cosine);
        offer(other, image, cosine);
      }
    });
    return nearest;
  }
}

/** A dot product in four sums, which a processor adds side by side. */
function dot(a: Float64Array, b: Float64Array): number {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  const whole = a.length - (a.length % 4);
  for (let index = 0; index < whole; index += 4) {
    first += a[index]! * b[index]!;
    second += a[index + 1]! * b[index + 1]!;
    third += a[index + 2]! * b[index + 2]!;
    fourth += a[index + 3]! * b[index + 3]!;
  }
  for (let index = whole; index < a.length; index++) first += a[index]! * b[index]!;
  return first + second + (third + fourth);
}
