/** Encoded files run as the models that are in them: in Node, shared out, on WebAssembly. */
import { describe, expect, it } from 'vitest';
import { onnxFileOf } from '../../src/onnx/onnx-file.ts';
import type { OnnxFile } from '../../src/onnx/onnx-file.ts';
import { encodeModel, joinChunks } from '../../src/onnx/write.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import type { Runtime, SessionOptions } from '../../src/runtime/runtime.ts';
import { createWebRuntime } from '../../src/runtime/web/runtime.ts';
import { rejectionSentence } from './rejection-sentence.ts';
import { smallModel } from './small-model.ts';

/** Weights of this width are large enough for an external file. */
const width = 300;
const feeds = {
  x: { type: 'float32' as const, shape: [9, width], data: Float32Array.from({ length: 9 * width }, Math.sin) },
};

/** The model with its weights in a file beside it, of a name of its own. */
function withExternalData(path: string): OnnxFile {
  const { model, externalData } = encodeModel(smallModel(width), path);
  return { bytes: joinChunks(model), externalData: { path, data: joinChunks(externalData) } };
}

const webRuntime = createWebRuntime({ threads: 1 });
const places: readonly (readonly [string, Runtime, SessionOptions])[] = [
  ['in Node', nodeRuntime, { threads: 1 }],
  ['in Node, shared out over threads', nodeRuntime, { threads: 2, batch: 8 }],
  ['on WebAssembly', webRuntime, {}],
];

describe.each(places)('a file %s', (_, runtime, options) => {
  it('runs as the model that is in it', async () => {
    const [model, inline, external] = await Promise.all([
      runtime.load(smallModel(width), options),
      runtime.load(onnxFileOf(smallModel(width)), options),
      runtime.load(withExternalData('weights_of.data'), options),
    ]);
    const expected = await model.run(feeds);
    expect(expected['sum']?.shape).toEqual([9, width]);
    expect(await inline.run(feeds)).toEqual(expected);
    expect(await external.run(feeds)).toEqual(expected);
    await Promise.all([model, inline, external].map((session) => session.dispose()));
  });

  it('is refused in a sentence where it is truncated', async () => {
    const { bytes } = onnxFileOf(smallModel(width));
    const broken = { bytes: bytes.slice(0, bytes.length / 2) };
    expect(await rejectionSentence(runtime.load(broken, options))).toMatch(/cannot load the model on "cpu"/);
  });
});

describe('onnxFileOf', () => {
  it('leaves a file as it is', () => {
    const file = withExternalData('a');
    expect(onnxFileOf(file)).toBe(file);
  });
});
