/** How large the weights are that a network was made from. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CHECKPOINT_NAMES } from '../checkpoints/model-folder.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import { lookUpModel } from '../networks/registry.ts';
import type { OriginalCheckpoint } from '../report/sections/files.ts';

/**
 * The checkpoint's name and size. The size is unknown where the weights are none of one file on
 * this disk: of a hub id, and of shards.
 */
export async function originalCheckpoint(model: LoadedModel): Promise<OriginalCheckpoint> {
  const { source, parameterCount } = model;
  const packaged = lookUpModel(source)?.packagedFolder;
  const place = packaged === undefined ? source : fileURLToPath(new URL(`../../${packaged}`, import.meta.url));
  for (const path of [place, ...CHECKPOINT_NAMES.map((name) => join(place, name))]) {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) continue;
    return { name: source, bytes: path.endsWith('.index.json') ? null : found.size, parameterCount };
  }
  return { name: source, bytes: null, parameterCount };
}
