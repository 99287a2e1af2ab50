/**
 * ONNX Runtime's profile: the parser on a made-up trace, and on one that a compressed network
 * really wrote.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { randomPixels } from '../../src/evaluation/throughput.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { parseProfile, scopeShare } from '../../src/runtime/profile.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { smallNetwork } from './small-network.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-profile-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const node = (name: string, duration: number): object => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  dur: duration,
  args: { op_name: 'MatMul' },
});

describe('parseProfile', () => {
  it('takes the median per node in ms and leaves other events out', () => {
    const events = [
      { cat: 'Session', name: 'model_run', dur: 99, args: {} },
      { cat: 'Node', name: 'blocks.0/mlp/MatMul_fence_before', dur: 50, args: {} },
      node('blocks.0/mlp/MatMul', 3000),
      node('blocks.0/reduction/merge/MatMul', 1000),
      node('blocks.0/mlp/MatMul', 9000),
      node('blocks.0/mlp/MatMul', 4000),
    ];
    const nodes = parseProfile(JSON.stringify(events), 'trace.json');
    expect(nodes).toEqual([
      { name: 'blocks.0/mlp/MatMul', operator: 'MatMul', milliseconds: 4, runs: 3 },
      { name: 'blocks.0/reduction/merge/MatMul', operator: 'MatMul', milliseconds: 1, runs: 1 },
    ]);
    expect(scopeShare(nodes, 'reduction')).toBeCloseTo(0.2, 12);
    expect(scopeShare(nodes, 'reduc')).toBe(0);
  });

  it.each(['', '{', '{}', '[{"dur": 1}]', '[]'])('says in one sentence that %j is no profile', (text) => {
    expect(() => parseProfile(text, 'trace.json')).toThrow(DiffrateError);
    expect(() => parseProfile(text, 'trace.json')).toThrow(/trace\.json/);
  });

  it('finds the reduction in the profile of a compressed network', async () => {
    const schedule = { pruneKept: [17, 14, 10, 6], mergeKept: [17, 12, 8, 3] };
    const model = smallNetwork();
    const session = await NetworkSession.load(model, {
      runtime: nodeRuntime,
      reducer: diffRate(schedule, model.network),
      profilePrefix: join(directory, 'trace'),
    });
    for (let run = 0; run < 3; run++) await session.run(randomPixels(model.network, 2, run));
    session.endProfiling();
    await session.dispose();
    const [file = ''] = readdirSync(directory);
    const nodes = parseProfile(readFileSync(join(directory, file), 'utf8'), file);
    expect(nodes.some(({ name }) => name.startsWith('blocks.1/') && name.includes('/merge/'))).toBe(true);
    expect(scopeShare(nodes, 'reduction')).toBeGreaterThan(0);
    expect(scopeShare(nodes, 'reduction')).toBeLessThan(1);
  });
});
