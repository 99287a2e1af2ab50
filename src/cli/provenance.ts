/**
 * How a result was made, for its report: the command as it was typed, and the versions that did it.
 */
import type { Fact } from '../report/sections/provenance.ts';
import { env } from '../runtime/node/onnx-runtime.ts';
import { packageVersion } from './version.ts';

/** The command line as it could be typed again in a shell. */
export function typedCommand(rawArguments: readonly string[] = process.argv.slice(2)): string {
  return ['diffrate', ...rawArguments].map(shellWord).join(' ');
}

/** An argument as a shell reads it back: in quotes where it must be. */
export const shellWord = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;

/** Versions of diffrate and of what it runs on. */
export async function versionFacts(): Promise<Fact[]> {
  return [
    ['diffrate', await packageVersion()],
    ['ONNX Runtime', env.versions.node ?? env.versions.common],
    ['Node', process.versions.node],
    ['system', `${process.platform} ${process.arch}`],
  ];
}
