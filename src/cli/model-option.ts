/** `MODEL` and `--weights`: the network with its weights, and what is odd about it as warnings. */
import { loadModel } from '../loading/load-model.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import { printWarning } from './output.ts';

/** Loads the model that the command line names. */
export async function resolveModel(model: string, weights: string | undefined): Promise<LoadedModel> {
  const loaded = await loadModel(model, weights === undefined ? {} : { weights });
  for (const warning of loaded.warnings) printWarning(warning);
  return loaded;
}
