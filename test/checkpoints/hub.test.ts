/**
 * Downloads from a fake hub into a real cache folder: what is fetched, reused, refused, and what is
 * left behind.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { hubModelFiles, type HubModelFiles, type HubOptions } from '../../src/checkpoints/hub.ts';
import { readModelFolder } from '../../src/checkpoints/model-folder.ts';
import { COMMIT, fakeHub, type FakeHub } from './fake-hub.ts';

const ID = 'some/vit-tiny';
let cacheFolder = '';
let hub: FakeHub;

beforeEach(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), 'diffrate-hub-'));
  hub = fakeHub(ID, {
    'config.json': '{"model_type":"vit"}',
    'preprocessor_config.json': '{}',
    'model.safetensors': new Uint8Array(100_000).fill(7),
    'pytorch_model.bin': 'never fetched',
    'README.md': 'never fetched',
  });
  for (const name of ['HF_TOKEN', 'HF_HUB_OFFLINE', 'HF_ENDPOINT', 'HF_HOME', 'HF_HUB_CACHE', 'XDG_CACHE_HOME']) {
    vi.stubEnv(name, undefined);
  }
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cacheFolder, { recursive: true });
});

function files(options: HubOptions = {}): Promise<HubModelFiles> {
  return hubModelFiles(ID, { cacheFolder, fetch: hub.fetch, ...options });
}

async function failure(options: HubOptions = {}): Promise<string> {
  const error: unknown = await files(options).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DiffrateError);
  return String(error);
}

describe('a download', () => {
  it('gives a model folder with exactly what is needed', async () => {
    const started: string[] = [];
    const found = await files({ onDownload: (file, size) => started.push(`${file} ${size}`) });
    expect(started).toEqual(['config.json 20', 'preprocessor_config.json 2', 'model.safetensors 100000']);
    expect((await readdir(found.folder)).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'preprocessor_config.json',
    ]);
    expect(await readFile(found.checkpoint)).toEqual(Buffer.alloc(100_000, 7));
    expect(await readModelFolder(found.folder)).toMatchObject({
      configuration: { model_type: 'vit' },
      preprocessor: {},
    });
  });

  it('is laid out as Python lays out its cache', async () => {
    const found = await files();
    const model = join(cacheFolder, 'models--some--vit-tiny');
    expect(found.folder).toBe(join(model, 'snapshots', COMMIT));
    expect(await readFile(join(model, 'refs/main'), 'utf8')).toBe(COMMIT);
    expect((await readdir(join(model, 'blobs'))).length).toBe(3);
  });

  it('is not repeated: the cache answers without any request', async () => {
    const first = await files();
    hub.unreachable = true;
    const count = hub.requests.length;
    expect(await files()).toEqual(first);
    expect(await files({ offline: true })).toEqual(first);
    expect(await files({ revision: COMMIT })).toEqual(first);
    expect(hub.requests.length).toBe(count);
  });

  it('notes that there is no preprocessor, and takes pickles where there is nothing else', async () => {
    hub.files.delete('preprocessor_config.json');
    hub.files.delete('model.safetensors');
    const first = await files();
    expect(first.preprocessor).toBeUndefined();
    expect(first.checkpoint).toContain('pytorch_model.bin');
    const count = hub.requests.length;
    expect(await files()).toEqual(first);
    expect(hub.requests.length).toBe(count);
  });

  it('brings all shards of an index', async () => {
    hub.files.delete('model.safetensors');
    hub.files.set('model.safetensors.index.json', '{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}');
    hub.files.set('one.safetensors', '1').set('two.safetensors', '2');
    const found = await files();
    expect(await readdir(found.folder)).toEqual(expect.arrayContaining(['one.safetensors', 'two.safetensors']));
    await rm(join(found.folder, 'two.safetensors'));
    expect(await failure({ offline: true })).toContain('not in the cache');
  });

  it('sends HF_TOKEN', async () => {
    vi.stubEnv('HF_TOKEN', 'hf_secret');
    await files();
    expect(new Set(hub.requests.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer hf_secret']));
  });

  it('may be made twice at once, and is whole for both', async () => {
    const [one, two] = await Promise.all([files(), files()]);
    expect(one).toEqual(two);
    expect(await readFile(one.checkpoint)).toEqual(Buffer.alloc(100_000, 7));
    expect((await readdir(join(cacheFolder, 'models--some--vit-tiny/blobs'))).length).toBe(3);
    expect((await readdir(one.folder)).length).toBe(3);
  });

  it('whose content is not what its SHA-256 says is refused, and nothing is left of it', async () => {
    hub.etags.set('model.safetensors', 'a'.repeat(64));
    expect(await failure()).toMatch(/model\.safetensors is not what its SHA-256 says/);
    expect((await readdir(join(cacheFolder, 'models--some--vit-tiny/blobs'))).length).toBe(2);
    hub.etags.set('model.safetensors', createHash('sha256').update(Buffer.alloc(100_000, 7)).digest('hex'));
    expect(await readFile((await files()).checkpoint)).toEqual(Buffer.alloc(100_000, 7));
  });

  it('brings the files of open_clip where there are no others', async () => {
    hub.files.delete('config.json');
    hub.files.delete('model.safetensors');
    hub.files.delete('pytorch_model.bin');
    hub.files.set('open_clip_config.json', '{"model_cfg":{}}').set('open_clip_model.safetensors', 'weights');
    const found = await files();
    expect(await readModelFolder(found.folder)).toMatchObject({
      configuration: { model_cfg: {} },
      configurationPath: found.configuration,
      checkpoint: found.checkpoint,
    });
    hub.unreachable = true;
    expect(await files()).toEqual(found);
  });

  it('says nothing on the terminal', async () => {
    const written = vi.spyOn(process.stdout, 'write');
    await files();
    expect(written).not.toHaveBeenCalled();
    written.mockRestore();
  });
});

describe('a cache that Python filled', () => {
  it('serves without network, also when the preprocessor is not known to be absent', async () => {
    const snapshot = join(cacheFolder, 'models--some--vit-tiny/snapshots', COMMIT);
    await mkdir(snapshot, { recursive: true });
    await writeFile(join(snapshot, 'config.json'), '{}');
    await writeFile(join(snapshot, 'model.safetensors'), '');
    hub.unreachable = true;
    expect(await files()).toMatchObject({ folder: snapshot, preprocessor: undefined });
    expect(await files({ offline: true })).toMatchObject({ folder: snapshot });
  });

  it('is found where the environment says', async () => {
    vi.stubEnv('HF_HOME', cacheFolder);
    const found = await hubModelFiles(ID, { fetch: hub.fetch });
    expect(found.folder).toBe(join(cacheFolder, 'hub', 'models--some--vit-tiny', 'snapshots', COMMIT));
    vi.stubEnv('HF_HUB_CACHE', join(cacheFolder, 'elsewhere'));
    const elsewhere = await hubModelFiles(ID, { fetch: hub.fetch });
    expect(elsewhere.folder).toBe(join(cacheFolder, 'elsewhere', 'models--some--vit-tiny', 'snapshots', COMMIT));
  });
});

describe('a failure', () => {
  it.each([
    [401, /refuses access to the model some\/vit-tiny \(401\).*HF_TOKEN/],
    [403, /refuses access/],
    [404, /has no model some\/vit-tiny at revision main \(404\)/],
    [503, /could not be downloaded from the hub \(Refused/],
  ])('with status %i is one sentence with the local alternative', async (status, message) => {
    hub.status = status;
    const sentence = await failure();
    expect(sentence).toMatch(message);
    expect(sentence).toContain('or `weights` from a file');
    expect(sentence).not.toContain('\n');
    expect(await readdir(cacheFolder)).toEqual([]);
  });

  it('to connect names the cause', async () => {
    hub.unreachable = true;
    expect(await failure()).toMatch(/could not be downloaded from the hub \(fetch failed, getaddrinfo ENOTFOUND\)/);
  });

  it('in the middle of a file leaves no half file and is made good by the next try', async () => {
    hub.cutAfter = 10;
    expect(await failure()).toMatch(/ended after 10 of 20 bytes/);
    expect(await readdir(join(cacheFolder, 'models--some--vit-tiny/blobs'))).toEqual([]);
    hub.cutAfter = undefined;
    expect(await readFile((await files()).configuration, 'utf8')).toBe('{"model_type":"vit"}');
  });

  it.each(['1', 'true', 'YES', 'On'])('offline (%s) never asks the network', async (value) => {
    vi.stubEnv('HF_HUB_OFFLINE', value);
    expect(await failure()).toMatch(/not in the cache, and HF_HUB_OFFLINE/);
    expect(hub.requests).toEqual([]);
  });

  it('for models without configuration or weights says which', async () => {
    hub.files.delete('config.json');
    expect(await failure()).toMatch(/has no config\.json/);
    hub.files.set('config.json', '{}').delete('model.safetensors');
    hub.files.delete('pytorch_model.bin');
    expect(await failure()).toMatch(/has no PyTorch weights/);
  });

  it('for a token of the wrong form is a sentence', async () => {
    expect(await failure({ token: 'secret' })).toMatch(/must start with 'hf_'/);
    expect(await failure({ token: 'secret' })).not.toContain('secret');
  });

  it('for a shard outside the folder is a refusal', async () => {
    hub.files.delete('model.safetensors');
    hub.files.set('model.safetensors.index.json', '{"weight_map":{"a":"../../../evil"}}');
    expect(await failure()).toMatch(/outside its folder, which is refused/);
  });

  it.each(['../x', 'a/b/c', '/etc', 'a b', '', 'a/..', 'a--b/c'])('for the id %j asks for a real one', async (id) => {
    await expect(hubModelFiles(id, { cacheFolder, fetch: hub.fetch })).rejects.toThrow(/is not a model id/);
    expect(hub.requests).toEqual([]);
  });

  it.each(['../x', '/etc', ''])('for the revision %j asks for a real one', async (revision) => {
    expect(await failure({ revision })).toMatch(/is not a revision/);
  });
});
