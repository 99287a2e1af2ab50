/**
 * Models from the Hugging Face hub: the configuration, preprocessing and weights of a model id as
 * local files. The cache is asked first, so that what was fetched once works without a network; it
 * is the one that Python's tools use.
 */
import { HubApiError, downloadFile, fileDownloadInfo, getHFHubCachePath, modelInfo } from '@huggingface/hub';
import { basename } from 'node:path';
import { DiffrateError, messageOf, quoted } from '../errors.ts';
import { CachedModel } from './hub-cache.ts';
import { CHECKPOINT_NAMES, CONFIGURATION_NAMES, readShardNames } from './model-folder.ts';

/** Local paths of a hub model. They lie in one folder, which is a model folder. */
export interface HubModelFiles {
  readonly folder: string;
  /** `config.json`, or `open_clip_config.json` where there is no other. */
  readonly configuration: string;
  /** `preprocessor_config.json`; `undefined` where the model has none. */
  readonly preprocessor: string | undefined;
  /**
   * The weights, safetensors where there is a choice; for sharded weights their index, with all
   * shards beside it.
   */
  readonly checkpoint: string;
}

/** How to reach the hub; everything has the field's usual default. */
export interface HubOptions {
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string | undefined;
  /** Default: `HF_HUB_CACHE`, `HF_HOME/hub`, `~/.cache/huggingface/hub`. */
  readonly cacheFolder?: string | undefined;
  /** Access token for private and gated models; default `HF_TOKEN`. */
  readonly token?: string | undefined;
  /** Use the cache alone; default: whether `HF_HUB_OFFLINE` is 1, true, yes or on. */
  readonly offline?: boolean | undefined;
  /** Default `HF_ENDPOINT`, else https://huggingface.co. */
  readonly hubUrl?: string | undefined;
  /** Called when a file's download begins, for progress messages. `size` in bytes. */
  readonly onDownload?: ((file: string, size: number) => void) | undefined;
  /** Replaces the global `fetch` (proxies, tests). */
  readonly fetch?: typeof fetch | undefined;
}

const PREPROCESSOR = 'preprocessor_config.json';
const LOCAL_ALTERNATIVE = 'or use a local model folder, or `weights` from a file';

/**
 * Local files of the hub model `id` (`ORG/NAME`), downloaded where the cache lacks them. Throws
 * `DiffrateError` where the id is not one, the model does not exist or may not be read, it has no
 * usable weights, or the hub cannot be reached.
 */
export async function hubModelFiles(id: string, options: HubOptions = {}): Promise<HubModelFiles> {
  const { revision = 'main' } = options;
  if (!/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)?$/.test(id) || id.includes('..') || id.includes('--')) {
    throw new DiffrateError(
      `${quoted(id)} is not a model id of the hub: write ORGANISATION/NAME, ${LOCAL_ALTERNATIVE}.`,
    );
  }
  if (!/^[\w-][\w./-]*$/.test(revision) || revision.includes('..')) {
    throw new DiffrateError(`${quoted(revision)} is not a revision of a hub model: name a branch, a tag or a commit.`);
  }
  const cache = new CachedModel(options.cacheFolder ?? getHFHubCachePath(), id);
  const cached = await findCached(cache, revision);
  if (cached?.complete) return cached.files;
  if (options.offline ?? isTrue(process.env['HF_HUB_OFFLINE'])) {
    if (cached !== undefined) return cached.files;
    throw new DiffrateError(
      `The model ${id} is not in the cache, and HF_HUB_OFFLINE forbids to download it: unset it once, ${LOCAL_ALTERNATIVE}.`,
    );
  }
  try {
    return await download(id, revision, cache, options);
  } catch (error) {
    // All that is needed is here; only whether there is a preprocessor file stayed unknown.
    if (cached !== undefined) return cached.files;
    throw error instanceof DiffrateError ? error : unavailable(id, revision, error);
  }
}

async function findCached(
  cache: CachedModel,
  revision: string,
): Promise<{ files: HubModelFiles; complete: boolean } | undefined> {
  for (const commit of await cache.commits(revision)) {
    const configuration = await findCachedConfiguration(cache, commit);
    const checkpoint = await findCachedCheckpoint(cache, commit);
    if (configuration === undefined || checkpoint === undefined) continue;
    const preprocessor = await cache.find(commit, PREPROCESSOR);
    const complete = preprocessor !== undefined || (await cache.isKnownAbsent(commit, PREPROCESSOR));
    return { files: { folder: cache.snapshot(commit), configuration, preprocessor, checkpoint }, complete };
  }
  return undefined;
}

/** Words that Python's huggingface_hub takes for true, in any case. */
function isTrue(value: string | undefined): boolean {
  return ['1', 'true', 'yes', 'on'].includes((value ?? '').toLowerCase());
}

async function findCachedConfiguration(cache: CachedModel, commit: string): Promise<string | undefined> {
  for (const name of CONFIGURATION_NAMES) {
    const path = await cache.find(commit, name);
    if (path !== undefined) return path;
  }
  return undefined;
}

/** The preferred checkpoint of a commit in the cache; an index counts only with all its shards. */
async function findCachedCheckpoint(cache: CachedModel, commit: string): Promise<string | undefined> {
  for (const name of CHECKPOINT_NAMES) {
    const path = await cache.find(commit, name);
    if (path === undefined) continue;
    if (!name.endsWith('.index.json')) return path;
    const shards = await readShardNames(path);
    const found = await Promise.all(shards.map((shard) => cache.find(commit, shard)));
    if (found.every((shard) => shard !== undefined)) return path;
  }
  return undefined;
}

async function download(id: string, revision: string, cache: CachedModel, options: HubOptions): Promise<HubModelFiles> {
  const access = hubAccess(options);
  const { sha, filePaths } = await modelInfo({ ...access, name: id, revision, additionalFields: ['sha', 'filePaths'] });
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha)) throw new Error('the hub named no commit');
  const files = new Set(filePaths);
  const checkpointName = CHECKPOINT_NAMES.find((name) => files.has(name));
  const configurationName = CONFIGURATION_NAMES.find((name) => files.has(name));
  if (checkpointName === undefined || configurationName === undefined) {
    throw new DiffrateError(
      `The hub model ${id} has no ${configurationName === undefined ? 'config.json' : 'PyTorch weights'}: choose one with config.json and model.safetensors, ${LOCAL_ALTERNATIVE}.`,
    );
  }
  const fetchFile = (file: string): Promise<string> => cachedFile(id, sha, file, cache, options);
  const configuration = await fetchFile(configurationName);
  const preprocessor = files.has(PREPROCESSOR) ? await fetchFile(PREPROCESSOR) : undefined;
  if (preprocessor === undefined) await cache.noteAbsent(sha, PREPROCESSOR);
  const checkpoint = await fetchFile(checkpointName);
  if (checkpointName.endsWith('.index.json')) {
    for (const shard of await readShardNames(checkpoint)) await fetchFile(shard);
  }
  // Noted last: a revision that the cache knows is one that it has whole.
  await cache.noteRevision(revision, sha);
  return { folder: cache.snapshot(sha), configuration, preprocessor, checkpoint };
}

async function cachedFile(
  id: string,
  commit: string,
  file: string,
  cache: CachedModel,
  options: HubOptions,
): Promise<string> {
  const found = await cache.find(commit, file);
  if (found !== undefined) return found;
  const request = { ...hubAccess(options), repo: id, path: file, revision: commit };
  const downloadInfo = await fileDownloadInfo(request);
  const content = downloadInfo === null ? null : await downloadFile({ ...request, downloadInfo });
  if (downloadInfo === null || content === null) throw new Error(`the hub has no ${basename(file)}`);
  options.onDownload?.(file, downloadInfo.size);
  await cache.store(commit, file, downloadInfo.etag, downloadInfo.size, content.stream());
  const stored = await cache.find(commit, file);
  if (stored === undefined) throw new Error(`${basename(file)} could not be stored in the cache`);
  return stored;
}

function hubAccess(options: HubOptions): { hubUrl?: string; fetch?: typeof fetch; accessToken?: string } {
  const accessToken = options.token ?? process.env['HF_TOKEN'];
  const hubUrl = options.hubUrl ?? process.env['HF_ENDPOINT'];
  return {
    ...(accessToken && { accessToken }),
    ...(hubUrl && { hubUrl }),
    ...(options.fetch && { fetch: options.fetch }),
  };
}

/** The sentence for whatever kept a model from being downloaded. */
function unavailable(id: string, revision: string, error: unknown): DiffrateError {
  const status = error instanceof HubApiError ? error.statusCode : undefined;
  if (status === 401 || status === 403) {
    return new DiffrateError(
      `The hub refuses access to the model ${id} (${status}): check the name, set HF_TOKEN to a token that may read it, ${LOCAL_ALTERNATIVE}.`,
    );
  }
  if (status === 404) {
    return new DiffrateError(
      `The hub has no model ${id} at revision ${revision} (404): check the name, ${LOCAL_ALTERNATIVE}.`,
    );
  }
  const cause = error instanceof Error && error.cause instanceof Error ? `, ${error.cause.message}` : '';
  const reason = `${messageOf(error)}${cause}`.replaceAll(/\s+/g, ' ').slice(0, 200);
  return new DiffrateError(
    `The model ${id} could not be downloaded from the hub (${reason}): try again later, ${LOCAL_ALTERNATIVE}.`,
  );
}
