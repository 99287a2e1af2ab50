/** `--data`, `--limit` and `--strict`: the image folder. */
import { openImageFolder } from '../data/open-image-folder.ts';
import type { ImageSource } from '../data/image-source.ts';
import { integerOption } from './options.ts';
import { printWarning } from './output.ts';

/** Opens the folder that the command line names. */
export async function resolveFolder(
  data: string,
  given: { readonly limit?: string; readonly strict?: boolean },
): Promise<ImageSource> {
  const limit = integerOption('limit', given.limit);
  return openImageFolder(data, {
    strict: given.strict,
    onWarning: printWarning,
    ...(limit === undefined ? {} : { limit }),
  });
}
