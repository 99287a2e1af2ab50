/**
 * A few letters for what work belongs to: progress of other weights or other images must not be
 * continued.
 */
import { sha256 } from '../data/digest.ts';
import { imageDigests } from '../data/different-images.ts';
import type { ImageSource } from '../data/image-source.ts';
import { constantBytes } from '../graph/tensor.ts';
import type { Network } from '../networks/network.ts';
import { networkParameters } from '../networks/recorded-parameters.ts';
import { effectiveSchedule, serializeSchedule } from '../reduction/schedule.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import type { BuiltNetwork } from './network-session.ts';

/** Length of a fingerprint, in hexadecimal digits. */
const digits = 12;

/** Of the weights of a network: what it reads, by name. */
export async function weightsFingerprint({ network, parameters }: BuiltNetwork): Promise<string> {
  const parts: string[] = [];
  for (const { name, shape } of networkParameters(network, parameters.has)) {
    const bytes = constantBytes(parameters.tensor(name, shape));
    parts.push(`${name} [${shape.join(', ')}] ${bytes === undefined ? '' : await digest(bytes)}`);
  }
  return textFingerprint(parts.join('\n'));
}

/** Sizes of files that are asked for at once. */
const sizedTogether = 64;

/**
 * Of images, with their names and labels. Of files the content counts where there are at most 4,096
 * of them; of more their sizes alone, so that others of the same names and sizes are not noticed.
 */
export async function imagesFingerprint(source: ImageSource): Promise<string> {
  const { identity, images } = source;
  return textFingerprint(JSON.stringify([await identity(), images, await contents(source)]));
}

/** Nothing where the identity of the source tells the content. */
async function contents(source: ImageSource): Promise<readonly string[]> {
  const { images, digestOf, sizeOf } = source;
  const digests = digestOf && (await imageDigests(source));
  if (digests !== undefined) return images.map(({ file }) => digests.get(file) ?? '');
  const sizes: string[] = [];
  if (sizeOf === undefined) return sizes;
  for (let start = 0; start < images.length; start += sizedTogether) {
    const some = images.slice(start, start + sizedTogether);
    sizes.push(...(await Promise.all(some.map((image) => sizeOf(image).then(String, () => 'unreadable')))));
  }
  return sizes;
}

/**
 * Of what a schedule does in a network: kept numbers, and whatever else in its file says how tokens
 * go. The network's name, costs and origin do not count.
 */
export async function scheduleFingerprint(schedule: Schedule, { layout }: Pick<Network, 'layout'>): Promise<string> {
  const written = JSON.parse(serializeSchedule(effectiveSchedule(schedule, tokenCount(layout)))) as Partial<Schedule>;
  const { model: _, inputSize: __, cost: ___, gflops: ____, target: _____, createdBy: ______, ...reduction } = written;
  return textFingerprint(JSON.stringify(reduction));
}

/** Of a text, or of bytes. */
export async function textFingerprint(value: string | Uint8Array): Promise<string> {
  return (await digest(typeof value === 'string' ? new TextEncoder().encode(value) : value)).slice(0, digits);
}

/** SHA-256 in hexadecimal digits. */
async function digest(bytes: Uint8Array): Promise<string> {
  return Array.from(await sha256(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
