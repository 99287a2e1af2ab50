/**
 * A differentiable discrete proxy (arXiv 2305.17997, section 3.2): learnable parameters that stand
 * for one integer, the number of tokens that a block keeps after pruning or after merging. It gives
 * every sorted position a probability of being kept; the mask is hard in the forward pass, and its
 * gradient goes to the probability (straight-through), as does that of the kept number. Proxies are
 * a few hundred numbers, so they live beside the graph, in float64: the graph gives gradients per
 * position.
 */
export interface Proxy {
  /** Learnable parameters; the optimizer changes them in place. */
  readonly parameters: Float64Array;
  /** Tokens kept, prefix tokens counted; an integer. */
  keptNumber(): number;
  /**
   * Gradient of the loss with respect to the parameters.
   * @param mask gradient with respect to the mask at each sorted position (prefix tokens come
   *   first), or `undefined` where the proxy took no part in the forward pass.
   * @param kept gradient with respect to the kept number, from the cost term.
   */
  gradient(mask: Float64Array | undefined, kept: number): Float64Array;
}
