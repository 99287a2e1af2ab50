/** ONNX Runtime tells nobody anything unless the user wants it to, in any thread. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const runtime = new URL('../../src/runtime/node/runtime.ts', import.meta.url).href;
const small = new URL('./small-model.ts', import.meta.url).href;

/** Loads a model in two threads, and runs it. */
const script = `
import { nodeRuntime } from ${JSON.stringify(runtime)};
import { smallModel } from ${JSON.stringify(small)};
const session = await nodeRuntime.load(smallModel(), { batch: 8, threads: 2 });
await session.dispose();
process.stdout.write(process.env.ORT_DISABLE_TELEMETRY);
`;

const directory = mkdtempSync(join(tmpdir(), 'diffrate-telemetry-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What the process printed, and what it left in its home and temporary folders. */
function run(name: string, more: NodeJS.ProcessEnv = {}): { said: string; left: string[] } {
  const home = mkdtempSync(join(directory, `${name}-`));
  const { ORT_DISABLE_TELEMETRY: _, ...inherited } = process.env;
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...inherited, HOME: home, TMPDIR: home, USERPROFILE: home, TSX_DISABLE_CACHE: '1', ...more },
  });
  return { said: stdout + stderr, left: readdirSync(home).filter((entry) => !entry.startsWith('tsx-')) };
}

describe('telemetry of ONNX Runtime', () => {
  it('is off, in threads too, unless the user has said otherwise', () => {
    expect(run('off')).toEqual({ said: '1', left: [] });
    expect(run('asked', { ORT_DISABLE_TELEMETRY: '0' }).said).toBe('0');
  });

  it('is decided in one file, which alone imports the package', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    const importing = files.filter((file) =>
      /^import (?!type|\* as ort)[^;]*from 'onnxruntime-node'/m.test(
        readFileSync(join('src', file), 'utf8').replaceAll(/`[^`]*`/g, ''),
      ),
    );
    expect(importing).toEqual([join('runtime', 'node', 'onnx-runtime.ts')]);
  });
});
