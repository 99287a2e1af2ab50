/**
 * A session whose batches are shared out over threads answers as any other does, and ends cleanly
 * whenever it has to.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { diffRate } from '../../src/reduction/methods/diffrate.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats, integers } from '../../src/runtime/runtime.ts';
import type { Session } from '../../src/runtime/runtime.ts';
import { randomModel, randomValues, smallSchedule } from '../random-network.ts';
import { rejectionSentence } from './rejection-sentence.ts';
import { smallModel, smallModelFeeds } from './small-model.ts';

/** Three threads, a copy of the model in each. */
const sharedOut = { batch: 12, threads: 3 } as const;

let session: Session;
beforeAll(async () => {
  session = await nodeRuntime.load(smallModel(), sharedOut);
});
afterAll(() => session.dispose());

const rows = (count: number, first = 0): (readonly [number, number])[] =>
  Array.from({ length: count }, (_, row) => [first + row, 10 * (first + row)] as const);

describe('a batch over threads', () => {
  it.each([1, 2, 3, 4, 12, 31])('of %i rows gives what one thread gives, in order', async (count) => {
    const alone = await nodeRuntime.load(smallModel(), { threads: 1 });
    expect(await session.run(smallModelFeeds(...rows(count)))).toEqual(
      await alone.run(smallModelFeeds(...rows(count))),
    );
    await alone.dispose();
  });

  it('computes only the outputs asked for', async () => {
    expect(Object.keys(await session.run(smallModelFeeds(...rows(5)), ['product']))).toEqual(['product']);
  });

  it('runs several times at once, each with its own memory', async () => {
    const runs = [0, 100, 200, 300].map((first) => session.run(smallModelFeeds(...rows(9, first)), ['sum']));
    const sums = (await Promise.all(runs)).map(({ sum }) => sum?.data[16]);
    expect(sums).toEqual([18, 118, 218, 318]);
  });

  it('of a network, compressed or ragged, gives the same logits and token numbers', async () => {
    const model = randomModel();
    const ats = buildMethod(parseMethod('ats:tokens=9,blocks=1/2'), model.network).reducer;
    const pixels = randomValues(7 * 3 * 32 * 32, 5);
    for (const reducer of [diffRate(smallSchedule, model.network), ats]) {
      const alone = await NetworkSession.load(model, { runtime: nodeRuntime, reducer, threads: 1 });
      const together = await NetworkSession.load(model, { runtime: nodeRuntime, reducer, ...sharedOut });
      const [expected, found] = [await alone.runCounted(pixels), await together.runCounted(pixels)];
      expect(found.tokensPerBlock).toEqual(expected.tokensPerBlock);
      found.answers.forEach((value, index) => expect(value).toBeCloseTo(expected.answers[index] ?? NaN, 5));
      await alone.dispose();
      await together.dispose();
    }
  });

  it('says what is wrong with feeds, and goes on', async () => {
    expect(
      await rejectionSentence(session.run({ x: floats(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]), k: integers([1]) })),
    ).toBe(
      'A run can be shared out over threads where all inputs have the batch as their first axis, not x [3, 2], k [1]: load the model without "batch".',
    );
    expect(await rejectionSentence(session.run({ x: floats(new Float32Array(12), [4, 3]) }))).toMatch(
      /^ONNX Runtime cannot run/,
    );
    expect(
      await rejectionSentence(session.run(smallModelFeeds(...rows(4)), { sum: floats(new Float32Array(8), [4, 2]) })),
    ).toMatch(/name them only, or load the model without "batch"/);
    const { sum } = await session.run(smallModelFeeds(...rows(4)));
    expect(sum?.data).toEqual(Float32Array.of(10, 20, 11, 30, 12, 40, 13, 50));
  });

  it('refuses a model that cannot be loaded', async () => {
    const { nodes, ...model } = smallModel();
    const broken = { ...model, nodes: nodes.map((node) => ({ ...node, operator: 'Nothing' })) };
    expect(await rejectionSentence(nodeRuntime.load(broken, sharedOut))).toMatch(/cannot load the model on "cpu"/);
  });

  it('ends after its runs when it is disposed of, and does not run again', async () => {
    const ending = await nodeRuntime.load(smallModel(), sharedOut);
    const run = ending.run(smallModelFeeds(...rows(6)), ['sum']);
    await ending.dispose();
    expect((await run)['sum']?.shape).toEqual([6, 2]);
    await expect(ending.run(smallModelFeeds(...rows(6)))).rejects.toThrow(DiffrateError);
  });
});

describe('a process that shares batches out over threads', () => {
  const script = (last: string): string => `
    import { nodeRuntime, floats } from 'diffrate';
    import { constant, input, lower, matMul } from 'diffrate/graph';
    const width = 1024;
    let y = input('x', 'float32', ['batch', 256, width]);
    const x = y;
    for (let layer = 0; layer < 4; layer++) y = matMul(y, constant(new Float32Array(width * width), [width, width], 'float32'));
    const session = await nodeRuntime.load(lower({ y }, [x]), { batch: 8, threads: 2 });
    const feeds = { x: floats(new Float32Array(8 * 256 * width), [8, 256, width]) };
    ${last}`;

  it.each([
    ['ends by itself', `await session.run(feeds); console.log('ran');`, 0],
    ['exits while threads run', `void session.run(feeds); setImmediate(() => setImmediate(() => process.exit(5)));`, 5],
    ['fails while threads run', `void session.run(feeds); setImmediate(() => { throw new Error('on purpose'); });`, 1],
  ])('%s, without being aborted', async (_, last, code) => {
    const found = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script(last)]).then(
      () => ({ code: 0, signal: null }),
      (error: { code: number; signal: string | null }) => error,
    );
    expect([found.code, found.signal]).toEqual([code, null]);
  });
});
