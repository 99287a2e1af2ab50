/** Targets: PyTorch files and safetensors, read as the program reads them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withCheckpoint } from '../../../src/checkpoints/load.ts';
import { encodeSafetensors } from '../../../src/checkpoints/safetensors.ts';
import { loadModel } from '../../../src/loading/load-model.ts';
import { Call, Global, Tuple, pickle } from '../../checkpoints/pickle-writer.ts';
import { float32Bytes, parameter, pytorchFile, tensor, withZip64 } from '../../checkpoints/pytorch-writer.ts';
import { pytorchSequence } from '../../checkpoints/pytorch-sequence-writer.ts';
import { smallNetwork, smallWeights, tinySizes } from '../../small-networks.ts';
import { slowShare } from '../target.ts';
import type { FuzzTarget } from '../target.ts';
import { huggingFaceConfiguration } from './tiny-configuration.ts';

const network = smallNetwork({ ...tinySizes, depth: 1 });
const networkWeights = smallWeights(network);

const values = (count: number): Uint8Array => float32Bytes(Array.from({ length: count }, (_, index) => index / 7));

const storages = { 0: values(12), 1: values(4) };

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

function pytorchSeeds(): Uint8Array[] {
  const weights = new Map([
    ['module.patch_embed.proj.weight', tensor('0', 12, [3, 4])],
    ['head.bias', parameter(tensor('1', 4, [4]))],
  ]);
  const namespace = new Call(new Global('argparse', 'Namespace'), new Tuple(), new Map([['lr', 0.1]]));
  const training = new Map<string, typeof weights | typeof namespace | number>([
    ['model', weights],
    ['model_ema', weights],
    ['args', namespace],
    ['epoch', 299],
  ]);
  const strided = new Map([['head.weight', tensor('0', 12, [2, 3], [1, 4], { offset: 1 })]]);
  const plain = pytorchFile(weights, storages);
  const whole = [...networkWeights.values()];
  const wholeStorages = Object.fromEntries(whole.map(({ bytes }, index) => [index, bytes]));
  const wholeNetwork = new Map(
    whole.map(({ name, shape }, index) => [name, tensor(String(index), sizeOf(shape), shape)]),
  );
  return [
    plain,
    pytorchFile(new Map([['model', wholeNetwork]]), wholeStorages),
    pytorchSequence(weights, {
      0: { elementSize: 4, bytes: values(12) },
      1: { elementSize: 4, bytes: values(4) },
    }),
    pytorchFile(training, storages, { level: 6 }),
    pytorchFile(strided, storages),
    withZip64(plain),
    pytorchFile(pickle(training), storages),
  ];
}

function safetensorsSeeds(): Uint8Array[] {
  const few = new Map([...networkWeights].slice(0, 3));
  return [encodeSafetensors(networkWeights), encodeSafetensors(few, { format: 'pt' }), encodeSafetensors(new Map())];
}

/** Every tensor is read, and then the network that the folder declares is looked for among them. */
const reads =
  (name: string): FuzzTarget['run'] =>
  async (bytes, folder) => {
    const file = join(folder, name);
    await writeFile(file, bytes);
    await withCheckpoint(file, ({ tensors, load }) => load(tensors));
    await loadModel(folder);
  };

const prepare = (folder: string): Promise<void> =>
  writeFile(join(folder, 'config.json'), JSON.stringify(huggingFaceConfiguration));

/** PyTorch's files, zip archives and older ones. */
export const pytorch: FuzzTarget = {
  name: 'pytorch',
  seeds: () => Promise.resolve(pytorchSeeds()),
  prepare,
  share: slowShare,
  run: reads('pytorch_model.bin'),
};

/** Safetensors files. */
export const safetensors: FuzzTarget = {
  name: 'safetensors',
  seeds: () => Promise.resolve(safetensorsSeeds()),
  prepare,
  share: slowShare,
  run: reads('model.safetensors'),
};
