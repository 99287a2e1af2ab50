/**
 * A search in a page: the model's files and some images are fetched, and ONNX Runtime's WebAssembly
 * runs the graphs. `?steps=N` and `?images=N` make it shorter, `?device=webgpu` uses the GPU.
 */
import { modelFromFiles, serializeSchedule } from 'diffrate/networks';
import { createWebRuntime } from 'diffrate/runtime/web';
import { memoryImages, searchSchedule } from 'diffrate/search';
import type { ImageSource } from 'diffrate/search';

const parameters = new URLSearchParams(location.search);
const numberOf = (name: string): number | undefined =>
  parameters.has(name) ? Number(parameters.get(name)) : undefined;

function element<Kind extends HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}
const start = element<HTMLButtonElement>('start');
const progress = element<HTMLProgressElement>('progress');
const status = element<HTMLParagraphElement>('status');
const result = element<HTMLPreElement>('schedule');

async function fetched(name: string): Promise<Response> {
  const response = await fetch(`model/${name}`);
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return response;
}

/** Grey images of an IDX file (MNIST's format): 16 bytes, then the pixels one after the other. */
async function images(name: string): Promise<ImageSource> {
  const packed = await (await fetched(name)).blob();
  // Some servers say that the file is packed, and the browser has then unpacked it.
  const [first] = new Uint8Array(await packed.slice(0, 1).arrayBuffer());
  const stream = packed.stream();
  const unpacked = first === 0x1f ? stream.pipeThrough(new DecompressionStream('gzip')) : stream;
  const bytes = new Uint8Array(await new Response(unpacked).arrayBuffer());
  const header = new DataView(bytes.buffer);
  const [count, height, width] = [4, 8, 12].map((at) => header.getUint32(at)) as [number, number, number];
  const size = height * width;
  const wanted = Math.min(count, numberOf('images') ?? count);
  return memoryImages(
    Array.from({ length: wanted }, (_, index) => {
      const from = 16 + index * size;
      return { data: bytes.subarray(from, from + size), width, height };
    }),
  );
}

async function search(): Promise<void> {
  const model = modelFromFiles({
    name: 'vit_demo_patch2_28',
    configuration: await (await fetched('config.json')).json(),
    preprocessor: await (await fetched('preprocessor_config.json')).json(),
    weights: new Uint8Array(await (await fetched('model.safetensors')).arrayBuffer()),
  });
  const calibration = await images('images/calibration-images-idx3-ubyte.gz');
  const began = performance.now();
  const { schedule } = await searchSchedule(
    {
      model,
      images: calibration,
      target: { ratio: 0.6 },
      steps: numberOf('steps'),
      device: parameters.get('device') ?? 'cpu',
      runtime: createWebRuntime({ threads: numberOf('threads') ?? 1 }),
    },
    ({ phase, step, steps, loss }) => {
      progress.max = steps;
      progress.value = step;
      status.textContent = `${phase}: ${step} of ${steps}, loss ${loss.toFixed(4)}`;
    },
  );
  status.textContent = `Done in ${((performance.now() - began) / 1000).toFixed(1)} s.`;
  result.textContent = serializeSchedule(schedule);
}

start.addEventListener('click', () => {
  start.disabled = true;
  search().catch((error: unknown) => {
    status.textContent = `That went wrong: ${error instanceof Error ? error.message : String(error)}`;
  });
});
status.textContent = 'Ready.';
start.disabled = false;
