/**
 * What a token is after others have been merged into it.
 * The authors' code for ViTs and for CAFormer has a rule each; the third is exact book-keeping.
 * With it a token is the mean of the patches that it stands for, and attention weighs it by their number.
 * So ToMe merges (arXiv 2210.09461). It needs fewer operators than the published rule.
 * On schedules that were learnt, DeiT-T's answers change less with it.
 * On a uniform rate, which merges much in the first blocks, they change more.
 */

/**
 * - `similarity`: the plain mean of tokens; sizes grow by `size × similarity` (DiffRate on ViTs, as published).
 * - `count`: the plain mean of tokens; sizes grow by `size` (DiffRate on CAFormer, as published).
 * - `patches`: the mean weighted by sizes; sizes grow by `size`.
 */
export const mergeRules = ['similarity', 'count', 'patches'] as const;

/** How tokens merge. */
export type MergeRule = (typeof mergeRules)[number];
