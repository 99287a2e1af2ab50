/**
 * `--method NAME:KEY=VALUE,…`: a token-reduction method in place of a schedule, checked against the
 * network it is for.
 */
import { flopsPerGflop } from '../cost/flops.ts';
import type { CountedNetwork } from '../cost/flops.ts';
import { countMethodFlops } from '../cost/method-flops.ts';
import { DiffrateError, UsageError } from '../errors.ts';
import { namedShape } from '../networks/model.ts';
import type { NetworkDescription } from '../networks/network.ts';
import { formatMethod } from '../reduction/methods/method-text.ts';
import type { MethodText } from '../reduction/methods/method-text.ts';
import { buildMethod, parseMethod, reductionMethods } from '../reduction/methods/registry.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import { resolveSchedule } from './schedule-option.ts';
import type { NamedSchedule } from './schedule-option.ts';
import { checkSelection, parseSelection } from './selection-option.ts';
import type { CompressionGiven } from './selection-option.ts';

/** Definition of the option. */
export const methodOption = {
  type: 'string',
  valueHint: 'NAME:KEY=VALUE,…',
  description: `token-reduction method in place of a schedule, such as tome:r=13 (by default the one that MODEL was trained for, if any); of ${reductionMethods.map(({ name }) => name).join(', ')}`,
} as const;

/** How the network is compressed: by a schedule, by a method, or (neither) not at all. */
export interface Compression {
  readonly named: NamedSchedule | undefined;
  readonly method: NamedMethod | undefined;
}

/** What can be told without the network: so a wrong name is answered at once. */
export function checkCompression(given: CompressionGiven): void {
  const { schedule, method } = given;
  if (schedule !== undefined && method !== undefined)
    throw new UsageError('--schedule and --method exclude each other: give one of them.');
  if (method !== undefined) parseMethod(method);
  checkSelection(given);
}

/** A network to compress. */
export interface CompressedNetwork {
  readonly name: string;
  readonly network: NetworkDescription;
  /** The method that it was trained for. */
  readonly trainedMethod?: string | undefined;
}

/**
 * The schedule or the method that the options ask for; where they ask for nothing, the method that
 * the network was trained for.
 * @param isForTraining whether the method is to be trained, and not used as it was
 * @throws {DiffrateError} where the network cannot do it; {@link UsageError} where both are given,
 *   or a name is not known
 */
export async function resolveCompression(
  args: CompressionGiven,
  network: CompressedNetwork,
  isForTraining = false,
): Promise<Compression> {
  checkCompression(args);
  const text = args.schedule === undefined ? methodText(args.method, network) : undefined;
  if (text === undefined) {
    const selection = parseSelection(args.selection);
    return { named: await resolveSchedule(args.schedule, network, selection), method: undefined };
  }
  const parsed = parseMethod(text);
  if (!isForTraining) checkTrainedFor(parsed, network);
  const file = parsed.given.get('schedule');
  const found = typeof file === 'string' ? await resolveSchedule(file, network) : undefined;
  const shape = namedShape(network.network, network.name);
  return { named: undefined, method: buildMethod(parsed, shape, { schedule: found?.schedule }) };
}

/**
 * What only training reads cannot be changed afterwards: results would be called what they are not.
 */
function checkTrainedFor({ method, given }: MethodText, { name, trainedMethod }: CompressedNetwork): void {
  if (trainedMethod === undefined) return;
  const trained = parseMethod(trainedMethod);
  if (trained.method !== method) return;
  for (const key of method.keys.filter(({ ofTraining }) => ofTraining === true)) {
    const [asked, had] = [given.get(key.name), trained.given.get(key.name) ?? key.fallback];
    if (asked === undefined || asked === had) continue;
    throw new DiffrateError(
      `${name} was trained for ${trainedMethod}, not for ${formatMethod({ method, given })}: leave ${key.name} out, or train another one with diffrate finetune.`,
    );
  }
}

/**
 * A method's bare name stands for the settings that the network was trained for, if it was trained
 * for that method.
 */
function methodText(asked: string | undefined, { trainedMethod }: CompressedNetwork): string | undefined {
  if (trainedMethod === undefined) return asked;
  const isBare = asked === undefined || asked === trainedMethod.split(':')[0];
  return isBare ? trainedMethod : asked;
}

/**
 * FLOPs of a method by the paper's count, in 10⁹; `undefined` where they differ per image, to be
 * measured.
 */
export function methodGflops(
  network: CountedNetwork,
  { method, tokensPerBlock, work }: NamedMethod,
): number | undefined {
  if (method.ragged === true) return undefined;
  return countMethodFlops(network, tokensPerBlock, work).total / flopsPerGflop;
}
