/** What a page asks of the entries that run in browsers. It is compiled, and never run. */
import { modelFromFiles } from 'diffrate/networks';
import type { LoadedModel } from 'diffrate/networks';
import { encodeModel, joinChunks } from 'diffrate/onnx';
import { createWebRuntime, floats } from 'diffrate/runtime/web';
import type { Runtime, Session, WebRuntimeSettings } from 'diffrate/runtime/web';
import { memoryImages, objectiveFor, searchSchedule } from 'diffrate/search';
import type { ImageSource, ProgressStore, SearchOptions } from 'diffrate/search';
import { CountingEvaluator, described, ownGraph, ownImages, quadraticCost, rewritten } from './parts.ts';

/** Progress in the page's own storage. */
const store: ProgressStore = {
  name: 'localStorage',
  read: async () => localStorage.getItem('search') ?? undefined,
  write: async (text) => localStorage.setItem('search', text),
  remove: async () => localStorage.removeItem('search'),
};

/** What a canvas holds. */
export function canvasImages(canvas: HTMLCanvasElement): ImageSource {
  const image = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height);
  return image === undefined ? ownImages() : memoryImages([image]);
}

/** A file to download. */
export function downloaded(): Blob {
  return new Blob([joinChunks(encodeModel(ownGraph()).model)], { type: 'application/octet-stream' });
}

/** A search in the page. */
export async function searchedInPage(files: Record<string, Response>, abort: AbortController): Promise<string> {
  const settings: WebRuntimeSettings = { threads: 2 };
  const runtime: Runtime = createWebRuntime(settings);
  const model: LoadedModel = modelFromFiles({
    configuration: (await files['config.json']?.json()) as Record<string, unknown>,
    weights: new Uint8Array((await files['model.safetensors']?.arrayBuffer()) ?? new ArrayBuffer(0)),
  });
  const options: SearchOptions = {
    model,
    images: ownImages(),
    target: { ratio: 0.6 },
    cost: quadraticCost(model),
    runtime,
    progress: store,
    signal: abort.signal,
    createEvaluator: CountingEvaluator.create,
  };
  const { schedule } = await searchSchedule(options, ({ loss }) => (document.title = loss.toFixed(3)));
  const session: Session = await runtime.load(ownGraph(), { device: 'webgpu' });
  await session.run({ x: floats(Float32Array.of(1, 2, 3), [1, 3]) });
  await session.dispose();
  return rewritten(JSON.stringify(schedule)).text + described(model, objectiveFor(model.network.answers));
}
