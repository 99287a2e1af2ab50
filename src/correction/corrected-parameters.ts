/**
 * What a correction changes: scales and biases of norms, and biases of linear layers, from the
 * first block on in which tokens may go. They are some half a percent of a network's numbers, and
 * replace others of the same shape, so that a corrected network computes no operator more. What
 * comes before the first block is right as it is.
 */
import { forwardTo, pixelInput } from '../networks/forward.ts';
import type { Network } from '../networks/network.ts';
import { parameterRecorder } from '../networks/recorded-parameters.ts';
import { layoutOf, partialLayout } from '../training/trained-parameters.ts';
import type { ParameterLayout } from '../training/trained-parameters.ts';

/**
 * The layout of the parameters that a correction changes. Of one axis and called `weight` are the
 * scales of norms alone; what else has one axis (layer scale) has other names.
 * @param has which optional parameters there are.
 */
export function correctedLayout(network: Network, has: (name: string) => boolean): ParameterLayout {
  const before = parameterRecorder(has);
  forwardTo(network, pixelInput(network), before);
  const early = new Set(before.recorded.map(({ name }) => name));
  return partialLayout(
    layoutOf(network, has),
    ({ name, shape }) => shape.length === 1 && /\.(?:weight|bias)$/.test(name) && !early.has(name),
  );
}
