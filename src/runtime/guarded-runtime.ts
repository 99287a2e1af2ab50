/**
 * A runtime of somebody's own behind sentences: what it throws reaches the caller as one, with the
 * error itself as its cause.
 */
import { DiffrateError, messageOf } from '../errors.ts';
import type { Runtime, Session } from './runtime.ts';

/** What was thrown, as a sentence; what is one already stays as it is. */
export function failureOf(error: unknown, what: string): DiffrateError {
  if (error instanceof DiffrateError) return error;
  const reason = messageOf(error).replace(/\s+/g, ' ').trim().replace(/\.$/, '');
  return new DiffrateError(`${what} (${reason}): see the cause of this error.`, { cause: error });
}

/** The same runtime, whose errors are sentences. */
export function guardedRuntime(runtime: Runtime): Runtime {
  return {
    load: async (model, options) => {
      try {
        return guardedSession(await runtime.load(model, options));
      } catch (error) {
        throw failureOf(error, 'The runtime cannot load the model');
      }
    },
  };
}

function guardedSession(session: Session): Session {
  return {
    run: async (feeds, outputs) => {
      try {
        return await session.run(feeds, outputs);
      } catch (error) {
        throw failureOf(error, 'The runtime cannot run the model');
      }
    },
    dispose: () => session.dispose(),
    endProfiling: () => session.endProfiling(),
  };
}
