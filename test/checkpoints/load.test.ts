/** Telling formats by content, sharded checkpoints and model folders. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { readCheckpoint, readStoredCheckpoint } from '../../src/checkpoints/load.ts';
import { readModelFolder, readShardNames } from '../../src/checkpoints/model-folder.ts';
import { encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { float32Tensor, float32Values } from '../../src/checkpoints/weights.ts';
import { float32Bytes, pytorchFile, tensor } from './pytorch-writer.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffrate-load-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

function safetensors(name: string, value: number): Uint8Array {
  return encodeSafetensors(new Map([[name, float32Tensor(name, [1], Float32Array.of(value))]]));
}

function pytorch(name: string, value: number): Uint8Array {
  return pytorchFile(new Map([[name, tensor('0', 1, [1])]]), { '0': float32Bytes([value]) });
}

describe('readCheckpoint', () => {
  it('reads either format under any name, with canonical names', async () => {
    const one = await readCheckpoint(await put('a.pth', safetensors('module.cls_token', 3)));
    const two = await readCheckpoint(await put('b.safetensors', pytorch('module.cls_token', 4)));
    const values = [one, two].map((weights) => {
      const found = weights.get('cls_token');
      return found && [...float32Values(found)];
    });
    expect(values).toEqual([[3], [4]]);
    expect([...(await readStoredCheckpoint(join(folder, 'a.pth'))).keys()]).toEqual(['module.cls_token']);
  });

  it('does not take a safetensors header of 19,280 bytes ("PK") for a zip file', async () => {
    const json = JSON.stringify({ a: { dtype: 'U8', shape: [0], data_offsets: [0, 0] } }).padEnd(0x4b50);
    const file = new Uint8Array(8 + json.length);
    file.set([0x50, 0x4b]);
    file.set(new TextEncoder().encode(json), 8);
    expect([...(await readCheckpoint(await put('pk.safetensors', file))).keys()]).toEqual(['a']);
  });

  it('takes a folder, safetensors before pickles', async () => {
    await put('pytorch_model.bin', pytorch('cls_token', 1));
    expect([...(await readCheckpoint(folder)).keys()]).toEqual(['cls_token']);
    await put('model.safetensors', safetensors('pos_embed', 2));
    expect([...(await readCheckpoint(folder)).keys()]).toEqual(['pos_embed']);
  });

  it('joins shards', async () => {
    await put('one.safetensors', safetensors('cls_token', 1));
    await put('two.safetensors', safetensors('pos_embed', 2));
    const map = { cls_token: 'one.safetensors', pos_embed: 'two.safetensors', other: 'one.safetensors' };
    await put('model.safetensors.index.json', JSON.stringify({ weight_map: map }));
    expect([...(await readCheckpoint(folder)).keys()]).toEqual(['cls_token', 'pos_embed']);
    await put('two.safetensors', safetensors('cls_token', 2));
    await expect(readCheckpoint(folder)).rejects.toThrow(/"cls_token" is in .*two\.safetensors and in another shard/);
    await rm(join(folder, 'two.safetensors'));
    await expect(readCheckpoint(folder)).rejects.toThrow(/Cannot open .*two\.safetensors/);
  });

  it.each(['../up.safetensors', '/etc/passwd', 'a/b', '..', '', 'a\\b', 7, null])(
    'refuses the shard name %j',
    async (name) => {
      const index = await put('model.safetensors.index.json', JSON.stringify({ weight_map: { a: name } }));
      await expect(readShardNames(index)).rejects.toThrow(/outside its folder, which is refused/);
      await expect(readCheckpoint(index)).rejects.toThrow(DiffrateError);
    },
  );

  const others: [string, Uint8Array | string, RegExp][] = [
    ['empty', '', /is empty/],
    [
      'legacy.pth',
      Uint8Array.of(0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9),
      /before version 1\.6.*save it as safetensors/,
    ],
    ['old.tar', `${'\0'.repeat(257)}ustar`, /before version 1\.6/],
    ['pointer.safetensors', 'version https://git-lfs.github.com/spec/v1\n', /Git LFS pointer/],
    ['page.bin', '<!DOCTYPE html>', /is a web page/],
    ['weights.h5', Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10), /HDF5/],
    ['text.txt', 'hello, this is text', /neither a safetensors nor a PyTorch file/],
    ['short', 'abc', /neither/],
    ['other.zip', pytorchFile('x', {}).slice(0, 60), /not a sound PyTorch zip file/],
  ];
  it.each(others)('says what to do with %s', async (name, content, message) => {
    const path = await put(name, content);
    const error: unknown = await readCheckpoint(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DiffrateError);
    expect(String(error)).toMatch(message);
    expect(String(error)).toContain(path);
  });

  it('names missing files and folders without weights', async () => {
    await expect(readCheckpoint(join(folder, 'absent.pth'))).rejects.toThrow(DiffrateError);
    await expect(readCheckpoint(folder)).rejects.toThrow(/has no weights \(model\.safetensors/);
  });
});

describe('readModelFolder', () => {
  it('returns configuration, preprocessing and the weights’ path', async () => {
    await put('config.json', '{"model_type":"vit"}');
    const checkpoint = await put('model.safetensors', safetensors('a', 1));
    expect(await readModelFolder(folder)).toEqual({
      configuration: { model_type: 'vit' },
      preprocessor: undefined,
      checkpoint,
    });
    await put('preprocessor_config.json', '{"size":224}');
    expect((await readModelFolder(folder)).preprocessor).toEqual({ size: 224 });
  });

  it('says what is missing or broken', async () => {
    await expect(readModelFolder(join(folder, 'absent'))).rejects.toThrow(/There is no folder/);
    await expect(readModelFolder(folder)).rejects.toThrow(/has no config\.json/);
    await put('config.json', '{');
    await expect(readModelFolder(folder)).rejects.toThrow(/Cannot read .*config\.json as JSON/);
    await put('config.json', '[]');
    await expect(readModelFolder(folder)).rejects.toThrow(/config\.json is not a JSON object/);
    await put('config.json', '{}');
    await expect(readModelFolder(folder)).rejects.toThrow(/has no weights/);
    await mkdir(join(folder, 'model.safetensors'));
    await expect(readModelFolder(folder)).rejects.toThrow(DiffrateError);
  });
});
