/** The demo network, few of its images, and a search of few steps: a compression of seconds. */
import { openImageFolder } from '../../src/data/open-image-folder.ts';
import { writeFile } from 'node:fs/promises';
import type { CompressOptions, OpenedCompression } from '../../src/compress/compress-options.ts';
import type { FileContent } from '../../src/files/staged-folder.ts';
import { loadModel } from '../../src/loading/load-model.ts';

const images = 'examples/demo-model/images';
const limit = 24;

/** What to compress, but for the folder. */
export async function demoOptions(): Promise<Omit<OpenedCompression, 'directory'>> {
  return {
    model: await loadModel('vit_demo_patch2_28'),
    images: await openImageFolder(`${images}/calibration-images-idx3-ubyte.gz`, { limit }),
    evaluationImages: await openImageFolder(`${images}/evaluation-images-idx3-ubyte.gz`, { limit }),
    target: { ratio: 0.6 },
    steps: 2,
    batchSize: 8,
    threads: 1,
    // Measured anew, it may be another number.
    blockOverhead: 0.0042,
  };
}

/** Bytes of a file that is to be written. */
export const bytesOf = (content: FileContent): Buffer =>
  typeof content === 'string' ? Buffer.from(content) : Buffer.concat(content);

/**
 * Writes files as they are, but for those that `change` gives other bytes for.
 * @param change takes the path's last part
 */
export function changedWriter(
  change: (name: string, bytes: Buffer) => Uint8Array | undefined,
): NonNullable<CompressOptions['write']> {
  return async (path, content) => {
    const bytes = bytesOf(content);
    await writeFile(path, change(path.slice(path.lastIndexOf('/') + 1), bytes) ?? bytes);
  };
}
