/**
 * What a token is after others have been merged into it. The authors' code for ViTs and for
 * CAFormer has a rule each; the third is exact book-keeping. With it a token is the mean of the
 * patches that it stands for, and attention weighs it by their number. ToMe merges in this way
 * (arXiv 2210.09461). The third rule needs fewer operators than the published one. With it DeiT-T's
 * answers change less on learnt schedules. They change more on a uniform rate, which merges much in
 * the first blocks.
 */

/**
 * - `similarity`: the plain mean of tokens; sizes grow by `size × similarity` (DiffRate on ViTs, as
 *   published).
 * - `count`: the plain mean of tokens; sizes grow by `size` (DiffRate on CAFormer, as published).
 * - `patches`: the mean weighted by sizes; sizes grow by `size`.
 */
export const mergeRules = ['similarity', 'count', 'patches'] as const;

/** How tokens merge. */
export type MergeRule = (typeof mergeRules)[number];
