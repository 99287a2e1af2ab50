/** What two networks can differ in, as data. */
import type { Network } from '../../src/networks/network.ts';

/**
 * A network's own data, and what it says of itself in `config.json`; functions of equal content are
 * not equal.
 */
export function networkContent(network: Network): object {
  return { ...(JSON.parse(JSON.stringify(network)) as object), hub: network.hubConfiguration(() => true) };
}
