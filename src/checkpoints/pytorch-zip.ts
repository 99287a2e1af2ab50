/**
 * PyTorch's `.pth`, `.pt`, `.bin` files as `torch.save` has written them since 1.6: a zip with
 * `NAME/data.pkl` (a pickle of the object, tensors as references to storages) and one entry
 * `NAME/data/KEY` of raw bytes per storage (caffe2/serialize/inline_container.h,
 * torch/serialization.py).
 */
import { DiffrateError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { LARGEST_PICKLE, loadPickledTensors, readCheckpointPickle } from './pytorch-pickle.ts';
import type { StoredCheckpoint } from './stored-checkpoint.ts';
import { openZip, type ZipArchive } from './zip-archive.ts';

/**
 * Opens a PyTorch zip file. Tensors of all its dictionaries are there, each under the keys that
 * lead to it.
 * @throws {DiffrateError} for damaged files; `load` also for tensors that do not lie inside their
 *   storage.
 */
export async function openPytorchZip(source: ByteSource): Promise<StoredCheckpoint> {
  const archive = await openZip(source);
  const pickleName = [...archive.entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  const pickle = pickleName === undefined ? undefined : archive.entries.get(pickleName);
  if (pickleName === undefined || pickle === undefined) {
    throw new DiffrateError(
      `${source.name} is a zip file without PyTorch weights (no data.pkl inside): name a .safetensors or .pth file.`,
    );
  }
  const folder = pickleName.slice(0, -'data.pkl'.length);
  if (pickle.size > LARGEST_PICKLE) {
    throw new DiffrateError(
      `${source.name} has a pickle of ${pickle.size} bytes, too much for names of weights: save only the state_dict.`,
    );
  }
  await assertLittleEndian(archive, folder, source);
  const checkpoint = readCheckpointPickle(await archive.read(pickle), source.name);
  return {
    tensors: checkpoint.tensors,
    wholeModule: checkpoint.wholeModule,
    load: (asked) =>
      loadPickledTensors(
        checkpoint,
        asked,
        async ({ key, elements }, elementSize) => {
          const entry = archive.entries.get(`${folder}data/${key}`);
          return entry === undefined || entry.size < elements * elementSize ? undefined : archive.read(entry);
        },
        source,
      ),
  };
}

async function assertLittleEndian(archive: ZipArchive, folder: string, source: ByteSource): Promise<void> {
  const entry = archive.entries.get(`${folder}byteorder`);
  if (entry === undefined || entry.size > 16) return;
  if (new TextDecoder().decode(await archive.read(entry)) === 'big') {
    throw new DiffrateError(`${source.name} was saved on a big-endian machine: save it as safetensors there.`);
  }
}
