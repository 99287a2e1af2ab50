/** A few letters for what work belongs to: a checkpoint of other weights or other images must not be continued. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { ImageFolder } from '../data/image-folder.ts';
import { constantBytes } from '../graph/tensor.ts';
import { networkParameters } from '../networks/recorded-parameters.ts';
import type { BuiltNetwork } from './network-session.ts';

/** Length of a fingerprint, in hexadecimal digits. */
const digits = 12;

/** Of the weights of a network: what it reads, by name. */
export function weightsFingerprint({ network, parameters }: BuiltNetwork): string {
  const hash = createHash('sha256');
  for (const { name, shape } of networkParameters(network, parameters.has)) {
    hash.update(`${name} [${shape.join(', ')}]`);
    hash.update(constantBytes(parameters.tensor(name, shape)) ?? '');
  }
  return hash.digest('hex').slice(0, digits);
}

/** Of a folder and the names and labels of its images; what is in them is not read. */
export function imagesFingerprint({ directory, images }: ImageFolder): string {
  return textFingerprint(JSON.stringify([resolve(directory), images]));
}

/** Of a text, or of bytes. */
export function textFingerprint(value: string | Uint8Array): string {
  return createHash('sha256').update(value).digest('hex').slice(0, digits);
}
