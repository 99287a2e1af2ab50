/** The families of the tests: a folder and a line each. */
import type { NetworkFamily } from '../../src/networks/family.ts';
import type { Network } from '../../src/networks/network.ts';
import { oblongEncoder, oblongEncoderFamily } from './oblong-encoder/oblong-encoder.ts';
import { restoredValue, restoredValueFamily } from './restored-value/restored-value.ts';

/** A family with one network of it. */
export interface TestFamily {
  readonly family: NetworkFamily;
  readonly network: Network;
}

export const testFamilies: readonly TestFamily[] = [
  { family: oblongEncoderFamily, network: oblongEncoder },
  { family: restoredValueFamily, network: restoredValue },
];
