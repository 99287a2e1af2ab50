/** Which process something belongs to, and whether it is still there: for what was left behind. */
import { hostname } from 'node:os';

/** A process. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** When it began, in s: another one may have got its id since. */
  readonly began: number;
}

/** Clocks are adjusted while a process runs, by less than this, in s. */
const clockTolerance = 5;

/** This process. */
export function ownProcess(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), began: Date.now() / 1000 - process.uptime() };
}

/** Whether a process is still there, as far as can be told from this host. */
export function isAlive(other: ProcessIdentity, own: ProcessIdentity = ownProcess()): boolean {
  if (other.host !== own.host) return true;
  if (other.pid === own.pid) return Math.abs(other.began - own.began) < clockTolerance;
  return isRunning(other.pid);
}

/** Whether this host has such a process. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process may not be asked, but is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
