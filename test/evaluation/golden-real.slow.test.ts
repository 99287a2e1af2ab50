/**
 * Metrics and logits on real images, as `npm run golden` checks them (`test/golden/check-real.ts`).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkReal, missingForReal } from '../golden/check-real.ts';
import { passes } from '../golden/quantity.ts';

const golden = join(process.env['DIFFRATE_DATA'] ?? '../shared/data', '..', 'golden-real');
const names = ['deit_tiny_patch16_224', 'vit_tiny_patch16_224'];
const missing = [existsSync(golden) ? undefined : golden, ...names.map(missingForReal)].filter(
  (path) => path !== undefined,
);
if (missing.length > 0)
  console.warn(`SKIPPED: metrics on real images, because ${missing.join(', ')} is missing (set DIFFRATE_DATA).`);

describe.skipIf(missing.length > 0)(
  'metrics on 650 ImageNet validation images equal those of the authors’ code',
  () => {
    it.each(names)('%s', { timeout: 600_000 }, async (name) => {
      const quantities = await checkReal(golden, name);
      // Per row images, top-1, top-5 and loss, agreement and divergence from the plain network, and
      // two of the logits.
      expect(quantities).toHaveLength(4 + 5 * 6 + 2);
      expect(quantities.filter((quantity) => !passes(quantity))).toEqual([]);
    });
  },
);
