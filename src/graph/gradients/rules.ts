/**
 * The table of gradient rules, one per ONNX operator, after the textbook derivatives (and tinygrad's `gradient.py` in form):
 * a rule takes a node and the gradients of its outputs and gives those of its inputs as ordinary graph nodes.
 * An operator without a rule is an error only where a gradient has to pass it.
 */
import { arithmeticRules } from './arithmetic.ts';
import { layoutRules } from './layout.ts';
import { normalizationRules } from './normalization.ts';
import { selectionRules } from './selection.ts';
import type { GraphNode, Tensor } from '../tensor.ts';

/** What a rule is given. */
export interface RuleContext {
  readonly node: GraphNode;
  /** Gradient of each output; `undefined` where none flows. At least one is given. */
  readonly gradients: readonly (Tensor | undefined)[];
  /** Whether input `i` needs a gradient; a rule may leave out the others. */
  readonly needs: readonly boolean[];
}

/** Gradient of each input, in order; `undefined` where none flows. */
export type GradientRule = (context: RuleContext) => readonly (Tensor | undefined)[];

/** Rules by operator name. */
export const gradientRules: Readonly<Record<string, GradientRule>> = {
  ...arithmeticRules,
  ...layoutRules,
  ...normalizationRules,
  ...selectionRules,
};
