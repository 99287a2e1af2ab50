/** Mean and standard deviation as files give them: one number for all channels, or a list. */
import * as v from 'valibot';
import { unsupported } from '../checkpoints/configuration-check.ts';
import type { PerChannel } from '../data/preprocessing.ts';

/** A number, or one per channel of the images. */
export const channelNumbers = v.union([v.number(), v.array(v.number())]);

/**
 * One number per channel that the network reads. A grey image takes three equal numbers for one.
 * @param member of `file`, for the error sentence.
 * @param scale that numbers are divided by, 1 by default.
 * @throws {DiffrateError} where there are as many as the network has no channels.
 */
export function perChannel(
  given: number | readonly number[],
  channels: number,
  member: string,
  file: string,
  scale = 1,
): PerChannel {
  const list = (typeof given === 'number' ? Array.from({ length: channels }, () => given) : given).map(
    (number) => number / scale,
  );
  const [first = 0, second = first, third = first] = list;
  if (list.length === 3 && channels === 3) return [first, second, third];
  if (channels === 1 && (list.length === 1 || (list.length === 3 && first === second && first === third)))
    return [first];
  const wanted =
    channels === 1 ? 'one number for the one channel of this network' : `${channels} numbers, one per channel`;
  throw unsupported(file, member, given, wanted);
}
