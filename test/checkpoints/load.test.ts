/** Telling formats by content, sharded checkpoints and model folders. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { checkpointPlace, readCheckpoint, withCheckpoint } from '../../src/checkpoints/load.ts';
import { readModelFolder, readShardNames } from '../../src/checkpoints/model-folder.ts';
import { encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { float32Tensor, float32Values, type Weights } from '../../src/checkpoints/weights.ts';
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

/** All weights of a checkpoint that would fit any network. */
async function read(path: string): Promise<Weights> {
  const chosen = await readCheckpoint({ path, wanted: undefined }, { names: new Set(['a']), try: () => undefined });
  return chosen.weights;
}

describe('readCheckpoint', () => {
  it('reads either format under any name, with canonical names', async () => {
    const one = await read(await put('a.pth', safetensors('module.cls_token', 3)));
    const two = await read(await put('b.safetensors', pytorch('module.cls_token', 4)));
    const values = [one, two].map((weights) => {
      const found = weights.get('cls_token');
      return found && [...float32Values(found)];
    });
    expect(values).toEqual([[3], [4]]);
    expect(await withCheckpoint(join(folder, 'a.pth'), async ({ tensors }) => tensors.map(({ name }) => name))).toEqual(
      ['module.cls_token'],
    );
  });

  it('does not take a safetensors header of 19,280 bytes ("PK") for a zip file', async () => {
    const json = JSON.stringify({ a: { dtype: 'U8', shape: [0], data_offsets: [0, 0] } }).padEnd(0x4b50);
    const file = new Uint8Array(8 + json.length);
    file.set([0x50, 0x4b]);
    file.set(new TextEncoder().encode(json), 8);
    expect([...(await read(await put('pk.safetensors', file))).keys()]).toEqual(['a']);
  });

  it('takes a folder, safetensors before pickles', async () => {
    await put('pytorch_model.bin', pytorch('cls_token', 1));
    expect([...(await read(folder)).keys()]).toEqual(['cls_token']);
    await put('model.safetensors', safetensors('pos_embed', 2));
    expect([...(await read(folder)).keys()]).toEqual(['pos_embed']);
  });

  it('joins shards', async () => {
    await put('one.safetensors', safetensors('cls_token', 1));
    await put('two.safetensors', safetensors('pos_embed', 2));
    const map = { cls_token: 'one.safetensors', pos_embed: 'two.safetensors', other: 'one.safetensors' };
    await put('model.safetensors.index.json', JSON.stringify({ weight_map: map }));
    expect([...(await read(folder)).keys()]).toEqual(['cls_token', 'pos_embed']);
    await put('two.safetensors', safetensors('cls_token', 2));
    await expect(read(folder)).rejects.toThrow(/"cls_token" is in .*two\.safetensors and in another shard/);
    await rm(join(folder, 'two.safetensors'));
    await expect(read(folder)).rejects.toThrow(/Cannot open .*two\.safetensors/);
  });

  it.each(['../up.safetensors', '/etc/passwd', 'a/b', '..', '', 'a\\b', 7, null])(
    'refuses the shard name %j',
    async (name) => {
      const index = await put('model.safetensors.index.json', JSON.stringify({ weight_map: { a: name } }));
      await expect(readShardNames(index)).rejects.toThrow(/outside its folder, which is refused/);
      await expect(read(index)).rejects.toThrow(DiffrateError);
    },
  );

  const others: [string, Uint8Array | string, RegExp][] = [
    ['empty', '', /is empty/],
    ['pickle.pkl', Uint8Array.of(0x80, 2, 0x7d, 0x2e), /is a Python pickle, but not one of PyTorch/],
    ['old.tar', `${'\0'.repeat(257)}ustar`, /before version 0\.1\.10 \(a tar archive\)/],
    ['pointer.safetensors', 'version https://git-lfs.github.com/spec/v1\n', /Git LFS pointer/],
    ['page.bin', '<!DOCTYPE html>', /is a web page/],
    ['weights.h5', Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10), /HDF5/],
    ['text.txt', 'hello, this is text', /neither a safetensors nor a PyTorch file/],
    ['short', 'abc', /neither/],
    ['other.zip', pytorchFile('x', {}).slice(0, 60), /not a sound PyTorch zip file/],
  ];
  it.each(others)('says what to do with %s', async (name, content, message) => {
    const path = await put(name, content);
    const error: unknown = await read(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DiffrateError);
    expect(String(error)).toMatch(message);
    expect(String(error)).toContain(path);
  });

  it('names missing files and folders without weights', async () => {
    await expect(read(join(folder, 'absent.pth'))).rejects.toThrow(DiffrateError);
    await expect(read(folder)).rejects.toThrow(/has no weights \(model\.safetensors/);
  });
});

describe('readModelFolder', () => {
  it('returns configuration, preprocessing and the weights’ path', async () => {
    await put('config.json', '{"model_type":"vit"}');
    const checkpoint = await put('model.safetensors', safetensors('a', 1));
    expect(await readModelFolder(folder)).toEqual({
      configuration: { model_type: 'vit' },
      configurationPath: join(folder, 'config.json'),
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

describe('FILE#KEY', () => {
  it('is split behind what is a checkpoint, and nowhere else', async () => {
    const base = await mkdtemp(join(tmpdir(), 'diffrate-place-'));
    try {
      await mkdir(join(base, 'mo'));
      await writeFile(join(base, 'plain'), '');
      await writeFile(join(base, 'a#b.pth'), '');
      const at = (text: string) => checkpointPlace(join(base, text));
      const whole = (text: string) => ({ path: join(base, text), wanted: undefined });
      for (const text of ['mo#del/missing.safetensors', 'no#del/missing.pth', 'no#del/missing', 'a#b.pth'])
        expect(await at(text), text).toEqual(whole(text));
      expect(await at('missing.pth#ema/model')).toEqual({ path: join(base, 'missing.pth'), wanted: 'ema/model' });
      expect(await at('plain#ema')).toEqual({ path: join(base, 'plain'), wanted: 'ema' });
      expect(await at('mo#ema')).toEqual({ path: join(base, 'mo'), wanted: 'ema' });
      expect(await at('a#b.pth#ema')).toEqual({ path: join(base, 'a#b.pth'), wanted: 'ema' });
    } finally {
      await rm(base, { recursive: true });
    }
  });
});
