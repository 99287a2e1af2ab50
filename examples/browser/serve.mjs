/**
 * Serves the present folder on http://localhost:8080 (or the port that is given) to this machine alone, with the two headers that
 * let a page use threads: `node serve.mjs [PORT]`.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const types = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
};

const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** The file that a request names, below the present folder; `undefined` where there is none. */
async function fileOf(url) {
  try {
    // A URL's path has no `..` left in it, but an encoded one may.
    const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
    if (path.split(/[/\\]/).includes('..')) return undefined;
    const file = join('.', path.endsWith('/') ? `${path}index.html` : path);
    const found = await stat(file);
    return found.isFile() ? { file, size: found.size } : undefined;
  } catch {
    return undefined;
  }
}

const server = createServer(async (request, response) => {
  const found = await fileOf(request.url);
  if (found === undefined) {
    response.writeHead(404, headers).end('There is no such file.');
    return;
  }
  const type = types[extname(found.file)] ?? 'application/octet-stream';
  response.writeHead(200, { ...headers, 'Content-Type': type, 'Content-Length': found.size });
  createReadStream(found.file)
    .on('error', () => response.destroy())
    .pipe(response);
});

server.listen(Number(process.argv[2] ?? 8080), 'localhost', () => {
  console.log(`http://localhost:${server.address().port}/`);
});
