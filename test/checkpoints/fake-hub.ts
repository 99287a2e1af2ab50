/**
 * A Hugging Face hub as a `fetch` function: the two endpoints that downloads need (model
 * information, file content with ranges), for one model.
 */

/** What the fake hub serves, and how it misbehaves. */
export interface FakeHub {
  /** Content by file name; may be changed between requests. */
  readonly files: Map<string, string | Uint8Array>;
  /** Names of contents by file name, where they are not `etag-of-FILE`. */
  readonly etags: Map<string, string>;
  /** Paths requested so far, with methods and tokens. */
  readonly requests: { readonly path: string; readonly authorization: string | null }[];
  readonly fetch: typeof fetch;
  /** Answer everything with this HTTP status. */
  status: number | undefined;
  /** Refuse every connection. */
  unreachable: boolean;
  /** Send only so many bytes of every file, though announcing all. */
  cutAfter: number | undefined;
}

/** The commit that the fake hub's `main` stands for. */
export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** A hub with the model `id` of these files. */
export function fakeHub(id: string, files: Readonly<Record<string, string | Uint8Array>>): FakeHub {
  const hub: FakeHub = {
    files: new Map(Object.entries(files)),
    etags: new Map(),
    requests: [],
    status: undefined,
    unreachable: false,
    cutAfter: undefined,
    fetch: async (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const headers = new Headers(init?.headers);
      hub.requests.push({ path: url.pathname, authorization: headers.get('authorization') });
      if (hub.unreachable) throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND') });
      if (hub.status !== undefined) return Response.json({ error: 'Refused' }, { status: hub.status });
      if (url.pathname.startsWith(`/api/models/${id}/revision/`)) return information(hub);
      const file = url.pathname.replace(`/${id}/resolve/${COMMIT}/`, '');
      return content(hub, file, headers.get('range'));
    },
  };
  return hub;
}

function information(hub: FakeHub): Response {
  const siblings = [...hub.files.keys()].map((rfilename) => ({ rfilename }));
  return Response.json({ _id: '1', id: 'x', sha: COMMIT, siblings, lastModified: '2024-01-01T00:00:00Z' });
}

function content(hub: FakeHub, file: string, range: string | null): Response {
  const found = hub.files.get(file);
  if (found === undefined) return new Response('', { status: 404, headers: { 'X-Error-Code': 'EntryNotFound' } });
  const bytes = typeof found === 'string' ? new TextEncoder().encode(found) : found;
  const headers = {
    ETag: `"${hub.etags.get(file) ?? `etag-of-${file}`}"`,
    'Content-Range': `bytes 0-0/${bytes.byteLength}`,
  };
  if (range !== null) return new Response(bytes.slice(0, 1), { status: 206, headers });
  return new Response(bytes.slice(0, hub.cutAfter ?? bytes.byteLength), { headers });
}
