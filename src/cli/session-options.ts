/** `--device` and `--threads`: where the network runs. */
import { UsageError, quoted } from '../errors.ts';
import { listSupportedBackends } from '../runtime/node/onnx-runtime.ts';
import { integerOption } from './options.ts';

/** The two options as a session takes them. */
export function sessionOptions(given: { readonly device: string; readonly threads?: string }): {
  device: string;
  threads?: number;
} {
  const known = listSupportedBackends().map(({ name }) => name);
  if (!known.includes(given.device))
    throw new UsageError(`--device must be one of ${known.join(', ')} here, not ${quoted(given.device)}.`);
  const threads = integerOption('threads', given.threads);
  return { device: given.device, ...(threads === undefined ? {} : { threads }) };
}
