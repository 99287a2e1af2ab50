/** Tokens at length 1, and that ONNX Runtime computes them with one operator. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lower } from '../../src/graph/lower.ts';
import { input } from '../../src/graph/tensor.ts';
import { unitLength } from '../../src/reduction/unit-length.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { parseProfile } from '../../src/runtime/profile.ts';
import { floats } from '../../src/runtime/runtime.ts';

const width = 8;
const x = input('x', 'float32', ['batch', 3, width]);
const model = lower({ directions: unitLength(x) }, [x]);

describe('unitLength', () => {
  it('divides tokens by their Euclidean norms, and leaves zeros', async () => {
    const session = await nodeRuntime.load(model, { threads: 1 });
    const token = fc.array(fc.float({ min: -300, max: 300, noNaN: true }), { minLength: width, maxLength: width });
    await fc.assert(
      fc.asyncProperty(fc.array(token, { minLength: 2, maxLength: 2 }), async (tokens) => {
        const values = Float32Array.from([...tokens.flat(), ...new Float32Array(width)]);
        const { directions } = await session.run({ x: floats(values, [1, 3, width]) });
        for (const [index, own] of [...tokens, Array.from({ length: width }, () => 0)].entries()) {
          const norm = Math.hypot(...own);
          // Squares of smaller ones vanish in float32.
          if (norm !== 0 && norm < 1e-6) continue;
          for (const [channel, value] of own.entries()) {
            const expected = norm === 0 ? 0 : value / norm;
            expect(Number(directions?.data[index * width + channel])).toBeCloseTo(expected, 5);
          }
        }
      }),
      { numRuns: 50 },
    );
    await session.dispose();
  });

  it('is one operator to ONNX Runtime', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'diffrate-unit-length-'));
    try {
      const session = await nodeRuntime.load(model, { threads: 1, profilePrefix: join(folder, 'trace') });
      await session.run({ x: floats(new Float32Array(3 * width).fill(1), [1, 3, width]) });
      session.endProfiling();
      await session.dispose();
      const [file = ''] = await readdir(folder);
      const operators = parseProfile(await readFile(join(folder, file), 'utf8'), file).map(({ operator }) => operator);
      expect(operators).toEqual(['SimplifiedLayerNormalization']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
