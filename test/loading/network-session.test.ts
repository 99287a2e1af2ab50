/** What a network's session asks of the runtime. */
import { describe, expect, it } from 'vitest';
import { NetworkSession } from '../../src/execution/network-session.ts';
import { buildMethod, parseMethod } from '../../src/reduction/methods/registry.ts';
import type { Runtime, SessionOptions } from '../../src/runtime/runtime.ts';
import { smallModel } from '../small-networks.ts';

/** The options that a session of a method is loaded with, where batches of eight are announced. */
async function optionsOf(method: string): Promise<SessionOptions | undefined> {
  const asked: SessionOptions[] = [];
  const runtime: Runtime = {
    load: (_, options = {}) => {
      asked.push(options);
      return Promise.resolve({
        run: () => Promise.resolve({}),
        dispose: () => Promise.resolve(),
        endProfiling: () => {},
      });
    },
  } as Runtime;
  const model = smallModel();
  const { reducer } = buildMethod(parseMethod(method), model.network);
  await NetworkSession.load(model, { reducer, runtime, batch: 8, threads: 2 });
  return asked[0];
}

describe('a network’s session', () => {
  it.each(['tome:r=2', 'ats:tokens=9'])('has its batches shared out: %s', async (method) => {
    expect(await optionsOf(method)).toMatchObject({ batch: 8, threads: 2 });
  });

  it('keeps the images together whose results depend on each other', async () => {
    const options = await optionsOf('ats:tokens=9,drop=true');
    expect(options).toMatchObject({ threads: 2 });
    expect(options).not.toHaveProperty('batch');
  });
});
