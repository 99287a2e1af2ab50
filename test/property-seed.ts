/**
 * Property tests draw the same cases in every run, so that a test that fails can be run again.
 * `PROPERTY_SEED=7` draws others.
 */
import * as fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['PROPERTY_SEED'] ?? 2023) });
