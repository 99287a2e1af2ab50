/** A model folder that diffrate wrote, loaded by onnxruntime-web, and what it says of pixels. */
import * as ort from 'onnxruntime-web/webgpu';

ort.env.wasm.wasmPaths = '/node_modules/onnxruntime-web/dist/';
// Threads need the page to be isolated from others, which the server's headers do.
ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;

/** What runs where, in words. */
export function placeInWords(device) {
  if (device === 'webgpu') return 'on WebGPU';
  const { numThreads } = ort.env.wasm;
  if (!crossOriginIsolated) {
    return 'on WebAssembly with 1 thread: more need a page that is isolated from others, by two headers that serve.mjs sends';
  }
  return `on WebAssembly with ${numThreads} ${numThreads === 1 ? 'thread' : 'threads'}`;
}

/** A JSON file of a folder; `undefined` where there is none. */
async function findJson(folder, name) {
  const response = await fetch(new URL(name, folder));
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return response.json();
}

/** `config.json` of a folder; `undefined` where there is none. */
export const findConfiguration = (folder) => findJson(folder, 'config.json');

const fileNames = { fp32: 'model.onnx', fp16: 'model_fp16.onnx', q8: 'model_quantized.onnx' };

/** Loads a folder; `undefined` where it has no ONNX file. */
export async function findNetwork(folder, configuration, device) {
  const processor = await findJson(folder, 'preprocessor_config.json');
  // The precision that loads by default, as transformers.js chooses it.
  const name = fileNames[configuration['transformers.js_config']?.dtype] ?? fileNames.fp32;
  const response = await fetch(new URL(`onnx/${name}`, folder));
  if (processor === undefined || response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  const model = new Uint8Array(await response.arrayBuffer());
  const session = await ort.InferenceSession.create(model, { executionProviders: [device] });
  if (!session.outputNames.includes('logits')) throw new Error('This network gives features, and no classes.');
  return { configuration, processor, session, isCold: true };
}

/** Runs the network once: its logits, and how long that took. */
export async function run({ session }, { pixels, width, height }) {
  const pixel_values = new ort.Tensor('float32', pixels, [1, 3, height, width]);
  const start = performance.now();
  const { logits } = await session.run({ pixel_values });
  return { logits: Array.from(logits.data), milliseconds: performance.now() - start };
}

/** A class's name in a configuration; names that only number classes are none. */
function nameIn(configuration, index) {
  const name = configuration?.id2label?.[index];
  return name === `LABEL_${index}` ? undefined : name;
}

/**
 * The largest answers, each with a name and its value in words. A class without a name has that of
 * the original's configuration, or its number.
 */
export function bestAnswers(logits, configuration, original, count = 3) {
  const { problem_type } = configuration;
  const best = valuesOf(logits, problem_type)
    .map((value, index) => ({
      index,
      name: nameIn(configuration, index) ?? nameIn(original, index) ?? `class ${index}`,
      value,
    }))
    .sort((a, b) => b.value - a.value)
    .slice(0, count);
  const isNumber = problem_type === 'regression' || logits.length === 1;
  return best.map(({ value, ...answer }) => ({
    ...answer,
    words: isNumber ? value.toPrecision(4) : `${(100 * value).toFixed(1)} %`,
  }));
}

/** Probabilities of classes, of labels that each may hold, or plain numbers. */
function valuesOf(logits, problemType) {
  if (problemType === 'regression' || logits.length === 1) return logits;
  if (problemType === 'multi_label_classification') return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
  const largest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
