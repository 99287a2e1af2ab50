/** `--objective NAME`: what "the same answers" means, checked against what the network gives. */
import { DiffrateError, UsageError } from '../errors.ts';
import type { Network } from '../networks/network.ts';
import type { Objective } from '../objectives/objective.ts';
import { objectiveFor } from '../objectives/registry.ts';
import type { ObjectiveName } from '../objectives/registry.ts';

/**
 * The objective that the option names, or the network's usual one.
 * @throws {UsageError} where it does not fit; the sentence says which do
 */
export function resolveObjective(name: ObjectiveName | undefined, { answers }: Pick<Network, 'answers'>): Objective {
  try {
    return objectiveFor(answers, { name });
  } catch (error) {
    if (name === undefined || !(error instanceof DiffrateError)) throw error;
    throw new UsageError(error.message);
  }
}
