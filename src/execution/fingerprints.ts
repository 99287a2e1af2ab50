/**
 * A few letters for what work belongs to: progress of other weights or other images must not be
 * continued.
 */
import { sha256 } from '../data/digest.ts';
import type { ImageSource } from '../data/image-source.ts';
import { constantBytes } from '../graph/tensor.ts';
import { networkParameters } from '../networks/recorded-parameters.ts';
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

/** Of images, with their names and labels. */
export async function imagesFingerprint({ identity, images }: ImageSource): Promise<string> {
  return textFingerprint(JSON.stringify([await identity(), images]));
}

/** Of a text, or of bytes. */
export async function textFingerprint(value: string | Uint8Array): Promise<string> {
  return (await digest(typeof value === 'string' ? new TextEncoder().encode(value) : value)).slice(0, digits);
}

/** SHA-256 in hexadecimal digits. */
async function digest(bytes: Uint8Array): Promise<string> {
  return Array.from(await sha256(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
