/** What networks say of an image, in words: `Sneaker 61.0 %`, or the labels that hold. */
import type { Guess, ImagePrediction } from '../evaluation/predictions.ts';
import type { Labels } from '../loading/labels.ts';

/** A class by its name, or by its number where nobody named it. */
export function className(labels: Labels | undefined, index: number): string {
  return labels?.[index] ?? `class ${index}`;
}

/** More labels than this are counted, not named. */
const mostNamed = 5;

/** Guesses in words; `none` where no label holds. */
export function guessesInWords(guesses: readonly Guess[], labels: Labels | undefined): string {
  const named = guesses
    .slice(0, mostNamed)
    .map((guess) => `${className(labels, guess.class)} ${percent(guess.probability)}`);
  const more = guesses.length - named.length;
  return guesses.length === 0 ? 'none' : [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** `Sneaker 61.0 % → Sandal 52.3 %`: the uncompressed network, then the compressed one. */
export function predictionInWords({ before, after }: ImagePrediction, labels: Labels | undefined): string {
  return `${guessesInWords(before, labels)} → ${guessesInWords(after, labels)}`;
}

/**
 * A probability with one decimal, unbroken; one that is not 0 or 1 is never shown as 0 or 100 %.
 */
export function percent(probability: number): string {
  const value = 100 * probability;
  if (value > 0 && value < 0.05) return '<\u00a00.1\u00a0%';
  if (value < 100 && value >= 99.95) return '>\u00a099.9\u00a0%';
  return `${value.toFixed(1)}\u00a0%`;
}
