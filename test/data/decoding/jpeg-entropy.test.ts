/** Damage in Huffman-coded data of JPEGs: found whatever the decoder, never in sound files. */
import sharp from 'sharp';
import type { JpegOptions } from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../src/data/decoding/decode-image.ts';
import { entropyFault } from '../../../src/data/decoding/jpeg-entropy.ts';
import { square } from '../../../src/data/preprocessing.ts';
import { RandomGenerator } from '../../../src/data/random.ts';

const [width, height] = [261, 243];
const wanted = { resize: square(28) };
const generator = new RandomGenerator(5);
const fraction = (): number => generator.bits() / 2 ** 32;
const noise = Buffer.from(
  Array.from({ length: width * height * 3 }, (_, index) => ((index / 3) % width) / 2 + 80 * fraction()),
);
const picture = sharp(noise, { raw: { width, height, channels: 3 } });
const jpeg = (options: JpegOptions): Promise<Buffer> => picture.clone().jpeg(options).toBuffer();

/** The reason why a file is left out. */
const reasonOf = (bytes: Uint8Array, decoder: 'auto' | 'exact'): Promise<string | undefined> =>
  decodeImage(bytes, { decoder }, wanted).then(
    () => undefined,
    (error: Error) => error.message,
  );

describe('a sound JPEG has no fault', () => {
  it.each(
    [false, true].flatMap((progressive) =>
      (['4:2:0', '4:4:4'] as const).flatMap((chromaSubsampling) =>
        [5, 80, 100].map((quality) => ({ progressive, chromaSubsampling, quality })),
      ),
    ),
  )('$progressive $chromaSubsampling $quality', async (options) => {
    expect(entropyFault(await jpeg(options))).toBeUndefined();
    expect(entropyFault(await picture.clone().greyscale().jpeg(options).toBuffer())).toBeUndefined();
  });
});

it.each([false, true])('damage is left out by both decoders alike (progressive: %s)', async (progressive) => {
  const sound = await jpeg({ progressive });
  let found = 0;
  for (let time = 0; time < 16; time++) {
    const damaged = Buffer.from(sound);
    const at = 700 + Math.floor(fraction() * (sound.length - 800));
    for (let byte = at; byte < at + 40; byte++) damaged[byte] = Math.floor(fraction() * 255);
    const [quick, exact] = [await reasonOf(damaged, 'auto'), await reasonOf(damaged, 'exact')];
    expect(quick).toBe(exact);
    if (quick !== undefined) found += 1;
  }
  expect(found).toBeGreaterThan(0);
});

it.each([0.5, 0.97])('a picture of which %f is there, with an end, is cut short', async (share) => {
  const sound = await jpeg({});
  const cut = Buffer.concat([sound.subarray(0, sound.length * share), Buffer.from([0xff, 0xd9])]);
  for (const decoder of ['auto', 'exact'] as const) expect(await reasonOf(cut, decoder)).toBe('the JPEG is cut short');
});

describe('restart markers', () => {
  const segment = (marker: number, ...content: number[]): number[] => [0xff, marker, 0, content.length + 2, ...content];
  const table = (kind: number): number[] => segment(0xc4, kind, 1, ...Array<number>(15).fill(0), 0);
  /** Two grey blocks of two bits, each a part of its own. */
  const file = (...data: number[]): Uint8Array =>
    Uint8Array.from([
      0xff,
      0xd8,
      ...segment(0xdb, 0, ...Array<number>(64).fill(1)),
      ...segment(0xc0, 8, 0, 8, 0, 16, 1, 1, 0x11, 0),
      ...table(0),
      ...table(16),
      ...segment(0xdd, 0, 1),
      ...segment(0xda, 1, 1, 0, 0, 63, 0),
      ...data,
      0xff,
      0xd9,
    ]);

  it('in their order are sound', async () => {
    const sound = file(0x3f, 0xff, 0xd0, 0x3f);
    expect(entropyFault(sound)).toBeUndefined();
    expect((await decodeImage(sound)).data.subarray(0, 3)).toEqual(new Uint8ClampedArray([128, 128, 128]));
  });

  it.each([
    ['another one', [0x3f, 0xff, 0xd1, 0x3f], 'the JPEG is damaged: a restart marker is missing'],
    ['none', [0x3f, 0x3f], 'the JPEG is damaged: a restart marker is missing'],
    ['nothing behind it', [0x3f, 0xff, 0xd0], 'the JPEG is cut short'],
    [
      'no such code behind it',
      [0x3f, 0xff, 0xd0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe],
      'the JPEG is damaged: bad Huffman code',
    ],
  ])('%s is a fault', async (_, data, reason) => {
    expect(await reasonOf(file(...data), 'auto')).toBe(reason);
  });
});
