/**
 * The table of gradient rules, one per ONNX operator, after the textbook derivatives (and
 * tinygrad's `gradient.py` in form): a rule takes a node and the gradients of its outputs and gives
 * those of its inputs as ordinary graph nodes. An operator without a rule is an error only where a
 * gradient has to pass it.
 */
import { arithmeticRules } from './arithmetic.ts';
import { layoutRules } from './layout.ts';
import { normalizationRules } from './normalization.ts';
import { selectionRules } from './selection.ts';
import type { GradientRule } from './rule.ts';

/** Rules by operator name. */
export const gradientRules: Readonly<Record<string, GradientRule>> = {
  ...arithmeticRules,
  ...layoutRules,
  ...normalizationRules,
  ...selectionRules,
};
