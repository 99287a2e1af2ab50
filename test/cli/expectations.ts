/**
 * What every run of the program is expected to be: one JSON object as its schema has it, or one
 * sentence that says what is wrong.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { schemaFaults } from '../report-schema.ts';
import type { ProgramResult } from './program.ts';

/** The one JSON object that a run printed, which fits the command's schema. */
export function jsonOf<Report = Record<string, unknown>>({ args, code, stdout, stderr }: ProgramResult): Report {
  expect(stderr).not.toMatch(/^error/m);
  expect(code).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  const report = JSON.parse(stdout) as Report;
  expect(schemaFaults(args[0] ?? '', report)).toEqual([]);
  return report;
}

/** One sentence on standard error, nothing on standard output, no stack trace. */
export function expectFailure(result: ProgramResult, code: number, sentence: RegExp): void {
  const errors = result.stderr.split('\n').filter((line) => line.startsWith('error: '));
  expect(result.stderr).toMatch(sentence);
  expect(result.stderr).not.toMatch(/^\s+at |node:internal|\.js:\d+/m);
  expect(result.stderr).not.toMatch(/something went wrong inside/);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(/[.!?]$/);
  expect(result.stdout).toBe('');
  expect(result.code).toBe(code);
}

/**
 * Work that was stopped is neither continued nor lost unasked: the same command says what to add,
 * and leaves the checkpoint as it was.
 * @param run runs the command with more options
 */
export async function expectQuestion(
  run: (...more: string[]) => Promise<ProgramResult>,
  checkpoint: string,
  work: 'search' | 'comparison',
): Promise<void> {
  const kept = readFileSync(checkpoint, 'utf8');
  const question = new RegExp(
    `holds progress of this very ${work}: continue it with --resume, or begin anew with --restart\\.$`,
    'm',
  );
  expectFailure(await run(), 1, question);
  expectFailure(await run('--resume', '--restart'), 2, /--resume and --restart exclude each other/);
  expect(readFileSync(checkpoint, 'utf8')).toBe(kept);
}
