/** What a gradient rule is: see `rules.ts` for the table of them. */
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
