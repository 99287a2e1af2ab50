/** How an exported folder is run, as lines of JavaScript: for its model card and for reports. */
import type { Model } from '../networks/model.ts';
import { modelFileName } from './precision.ts';
import type { ExportDtype } from './precision.ts';

/** What the hub and transformers.js call that kind of network. */
export type PipelineTask = 'image-classification' | 'image-feature-extraction';

/** The task of a network. */
export function pipelineTask({ network }: Pick<Model, 'network'>): PipelineTask {
  return network.answers.kind === 'features' ? 'image-feature-extraction' : 'image-classification';
}

/** What is run. */
export interface UsageRequest {
  readonly model: Pick<Model, 'network'>;
  /** The folder, as a program names it. */
  readonly folder: string;
  readonly dtype: ExportDtype;
}

/** A text as JavaScript writes it, in single quotes. */
const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;

/** Lines for transformers.js. */
export function transformersCode({ model, folder, dtype }: UsageRequest): string {
  const { kind, size } = model.network.answers;
  const isGrey = model.network.input.channels === 1;
  const photo = isGrey ? "(await RawImage.read('photo.jpg')).grayscale()" : "'photo.jpg'";
  const call =
    kind === 'features'
      ? `const features = await run(${photo}); // a tensor [1, 1, ${size}]; with { pool: true } [1, ${size}]`
      : `console.log(await run(${photo}));`;
  return `import { pipeline${isGrey ? ', RawImage' : ''} } from '@huggingface/transformers';

const run = await pipeline('${pipelineTask(model)}', ${literal(folder)}, { dtype: '${dtype}' });
${call}`;
}

/** Lines for ONNX Runtime alone. */
export function onnxRuntimeCode({ model, folder, dtype }: UsageRequest): string {
  const { input, answerOutput } = model.network;
  const { channels, height, width } = input;
  const file = [...(folder === '' ? [] : [folder.replace(/[/\\]+$/, '')]), 'onnx', modelFileName(dtype)].join('/');
  return `import * as ort from 'onnxruntime-node';

const session = await ort.InferenceSession.create(${literal(file)});
// pixels: Float32Array, ${channels === 1 ? 'grey values' : 'RGB planes'}, normalised as preprocessor_config.json says
const pixel_values = new ort.Tensor('float32', pixels, [1, ${channels}, ${height}, ${width}]);
const { ${answerOutput} } = await session.run({ pixel_values });`;
}
