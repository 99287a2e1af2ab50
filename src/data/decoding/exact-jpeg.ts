/**
 * JPEG by MozJPEG in WebAssembly (`@jsquash/jpeg`): the slow but accurate inverse DCT and smooth
 * chroma upsampling, whose pixels are those of Pillow's libjpeg-turbo bit for bit on any machine.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import createDecoder from '@jsquash/jpeg/codec/dec/mozjpeg_dec.js';
import { messageOf } from '../../errors.ts';
import type { DecodedImage } from '../decoded-image.ts';
import { decoderSentence } from './decoder-sentence.ts';

/** Told of by MozJPEG where part of the picture is lost; other blemishes cost no pixels. */
const lost = /bad Huffman code|premature end of data segment|instead of RST|bad arithmetic code/i;

type Decoder = Awaited<ReturnType<typeof createDecoder>>;

/** A decoder, and what it printed since `messages` was emptied. */
interface Started {
  readonly decoder: Decoder;
  readonly messages: string[];
}

let started: Promise<Started> | undefined;
let compiled: WebAssembly.Module | undefined;

async function start(): Promise<Started> {
  if (compiled === undefined) {
    const wasm = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
    compiled = await WebAssembly.compile(await readFile(wasm));
  }
  const module = compiled;
  const messages: string[] = [];
  const decoder = await createDecoder({
    noInitialRun: true,
    instantiateWasm: (imports: WebAssembly.Imports, ready: (instance: WebAssembly.Instance) => void) => {
      const instance = new WebAssembly.Instance(module, imports);
      ready(instance);
      return instance.exports;
    },
    printErr: (message: string) => messages.push(message),
  });
  return { decoder, messages };
}

/**
 * Decodes a Huffman-coded grey or colour JPEG of 8 bits; its orientation is left alone.
 * @throws Error with the reason, where it is cut short or damaged.
 */
export async function decodeJpegExactly(bytes: Uint8Array): Promise<DecodedImage> {
  started ??= start();
  const { decoder, messages } = await started;
  // From here on nothing is awaited, so that no other image's messages are among these.
  messages.length = 0;
  let image: ImageData | null;
  try {
    image = decoder.decode(bytes as Uint8Array<ArrayBuffer>, false);
  } catch (error) {
    // After a fatal error the instance may hold half-freed state: the next image gets a new one.
    started = undefined;
    throw new Error(decoderSentence(messages.at(-1) ?? messageOf(error), 'JPEG'), { cause: error });
  }
  if (image === null) throw new Error(decoderSentence(messages.at(-1) ?? '', 'JPEG'));
  if (messages.some((message) => message.startsWith('Premature end of JPEG file')))
    throw new Error('the JPEG is cut short');
  const loss = messages.find((message) => lost.test(message));
  if (loss !== undefined) throw new Error(decoderSentence(loss, 'JPEG'));
  return { data: image.data, width: image.width, height: image.height, channels: 4 };
}
