/**
 * What `npm run fuzz` feeds with damaged input: a reader of the project, the small sound files that
 * the damage is done to, and where a run takes place.
 */

/** A reader, and files that it reads. */
export interface FuzzTarget {
  readonly name: string;
  /** Small sound files, which are damaged in turn. */
  readonly seeds: () => Promise<readonly Uint8Array[]>;
  /** Whether seeds are JSON texts, whose members are damaged as well as their bytes. */
  readonly json?: boolean;
  /** Mends checksums after the damage, so that it gets past them; done every other time. */
  readonly repair?: (bytes: Uint8Array) => Uint8Array;
  /** Runs for each run of another target, 1 by default. */
  readonly share?: number;
  /** Made once, before the first run. */
  readonly prepare?: (folder: string) => Promise<void>;
  /**
   * Reads the damaged file. It may succeed, or fail with a `DiffrateError`; anything else is a
   * finding.
   * @param folder the only one that may be written to; it is the same for all runs.
   */
  readonly run: (bytes: Uint8Array, folder: string) => Promise<void>;
}

/** Share of targets whose runs take some milliseconds: decoders of images, made-up searches. */
export const middleShare = 0.3;
/** Share of targets that load a network in each run. */
export const slowShare = 0.1;

/** A kind of input that a reader must survive, found by a run. */
export interface FuzzFinding {
  readonly target: string;
  readonly seed: number;
  readonly run: number;
  /** What went wrong, on one line. */
  readonly reason: string;
  /** Where the input is kept. */
  readonly file: string;
}
