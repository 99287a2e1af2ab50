/** A candidate's tensors under canonical names. */
import { DiffrateError } from '../errors.ts';
import { QUERY_KEY_VALUE, type QueryKeyValue } from './naming.ts';
import type { Candidate } from './unwrapping.ts';
import type { WeightTensor, Weights } from './weights.ts';

/**
 * The weights under timm's names: names are mapped, query, key and value become `attn.qkv` (rows in
 * that order). Pre-training decoders are left out. So is the pooler where there is a classifier.
 * Names that nobody knows stay as they are behind the prefix, for the model's loader to report.
 * @param values of the tensors, by full name.
 * @param file the file's name for errors.
 * @throws {DiffrateError} where two tensors get one name, or a query, key or value is missing or
 *   does not fit the others.
 */
export function canonicalWeights(candidate: Candidate, values: Weights, file: string): Weights {
  const canonical = new Map<string, WeightTensor>();
  const joined = new Map<string, Map<QueryKeyValue, WeightTensor>>();
  const withZeroKey = new Set<string>();
  const add = (tensor: WeightTensor): void => {
    if (canonical.has(tensor.name)) throw twice(tensor.name, file);
    canonical.set(tensor.name, tensor);
  };
  for (const { tensor: stored, destination } of [...candidate.members, ...candidate.unknown]) {
    const tensor = values.get(stored.name);
    if (tensor === undefined || destination.kind === 'unused') continue;
    const { name } = destination;
    if (destination.kind === 'renamed') {
      add({ ...tensor, name });
      continue;
    }
    const parts = joined.get(name) ?? new Map<QueryKeyValue, WeightTensor>();
    if (parts.has(destination.part)) throw twice(`${destination.part} of ${name}`, file);
    joined.set(name, parts.set(destination.part, tensor));
    if (destination.keyMayBeZero) withZeroKey.add(name);
  }
  for (const [name, parts] of joined) add(joinParts(name, parts, withZeroKey.has(name), file));
  if (canonical.has('head.weight')) {
    for (const part of ['weight', 'bias']) canonical.delete(`pooler.dense.${part}`);
  }
  return canonical;
}

/**
 * Query, key and value one below the other: `[C, C]` three times → `[3 C, C]`, or `[C]` three times
 * → `[3 C]`.
 */
function joinParts(
  name: string,
  parts: ReadonlyMap<QueryKeyValue, WeightTensor>,
  keyMayBeZero: boolean,
  file: string,
): WeightTensor {
  const query = parts.get('query');
  const tensors = QUERY_KEY_VALUE.map((part) => {
    const tensor = parts.get(part) ?? (part === 'key' && keyMayBeZero ? zerosLike(query) : undefined);
    if (tensor === undefined) {
      throw new DiffrateError(`${file} has no ${part} for ${name}: the checkpoint is incomplete, download it again.`);
    }
    return tensor;
  });
  const [first] = tensors;
  const fits = (tensor: WeightTensor): boolean =>
    tensor.type === first?.type && tensor.shape.length > 0 && tensor.shape.join() === first.shape.join();
  if (first === undefined || !tensors.every(fits)) {
    const shapes = tensors.map(({ type, shape }) => `${type} [${shape.join(', ')}]`).join(', ');
    throw new DiffrateError(
      `Query, key and value for ${name} in ${file} do not fit together (${shapes}): use a checkpoint of a plain ViT or DeiT.`,
    );
  }
  const size = first.bytes.byteLength;
  const bytes = new Uint8Array(3 * size);
  for (const [index, tensor] of tensors.entries()) bytes.set(tensor.bytes, index * size);
  return { name, type: first.type, shape: [3 * (first.shape[0] ?? 0), ...first.shape.slice(1)], bytes };
}

function zerosLike(tensor: WeightTensor | undefined): WeightTensor | undefined {
  return tensor && { ...tensor, bytes: new Uint8Array(tensor.bytes.byteLength) };
}

function twice(name: string, file: string): DiffrateError {
  return new DiffrateError(`${file} holds two tensors for ${name}: save the weights of one model only.`);
}
