/**
 * Figures of the DiffRate paper (arXiv 2305.17997) and of its authors' code that results are put
 * beside, each with its source. Only what could be read there is in this list; the rows of Tables
 * 4a to 4d, of Figures 4 and 6 and of Appendix E could not, and are unknown.
 */

/**
 * A network off the shelf and under its published schedule, ImageNet's 50,000 validation images.
 */
export interface PublishedAccuracy {
  /** Registry name. */
  readonly model: string;
  /** Budget of the published schedule, as in its name. */
  readonly budget: string;
  /** By the paper's count, in 10⁹ multiply-accumulates. */
  readonly gflops: { readonly before: number; readonly after: number };
  /** Table 1, in percent, without fine-tuning. */
  readonly top1: { readonly before: number; readonly after: number };
  /** What the authors' code prints for that schedule according to its README, in percent. */
  readonly top1OfCode: number;
}

/** DiffRate without fine-tuning. */
export const publishedAccuracies: readonly PublishedAccuracy[] = [
  {
    model: 'deit_small_patch16_224',
    budget: '2.9',
    gflops: { before: 4.6, after: 2.9 },
    top1: { before: 79.82, after: 79.58 },
    top1OfCode: 79.538,
  },
  {
    model: 'deit_base_patch16_224',
    budget: '11.5',
    gflops: { before: 17.6, after: 11.5 },
    top1: { before: 81.83, after: 81.5 },
    top1OfCode: 81.498,
  },
  {
    model: 'mae_vit_large_patch16',
    budget: '42.3',
    gflops: { before: 61.6, after: 42.3 },
    top1: { before: 85.95, after: 85.56 },
    top1OfCode: 85.658,
  },
  {
    model: 'mae_vit_huge_patch14',
    budget: '103.4',
    gflops: { before: 167.4, after: 103.4 },
    top1: { before: 86.88, after: 86.72 },
    top1OfCode: 86.664,
  },
];

/** The network of the paper's ablations. */
const ablated = publishedAccuracies[0];

/** What is known of a table or figure whose rows are not: sentences for its notes. */
export function unknownRows(place: string): string[] {
  if (ablated === undefined) throw new RangeError('the paper’s ablations are of a network');
  const { gflops, top1, top1OfCode } = ablated;
  return [
    `The rows of ${place} in the paper are not known here and none is guessed. What is known: DeiT-S off the shelf has ${top1.before.toFixed(2)} % at ${gflops.before} GFLOPs and, under DiffRate’s schedule, ${top1.after.toFixed(2)} % at ${gflops.after} GFLOPs (Table 1; the authors’ code prints ${top1OfCode} %), on all 50,000 validation images.`,
  ];
}

/** The budget at which the paper looks at a network, as in the name of its published schedule. */
export const paperBudgets: Readonly<Record<string, string>> = {
  deit_tiny_patch16_224: '0.8',
  mae_vit_base_patch16: '11.5',
  ...Object.fromEntries(publishedAccuracies.map(({ model, budget }) => [model, budget])),
};
