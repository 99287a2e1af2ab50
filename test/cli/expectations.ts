/** What every run of the program is expected to be: one JSON object, or one sentence that says what is wrong. */
import { expect } from 'vitest';
import type { ProgramResult } from './program.ts';

/** The one JSON object that a run printed. */
export function jsonOf({ code, stdout, stderr }: ProgramResult): Record<string, unknown> {
  expect(stderr).not.toMatch(/^error/m);
  expect(code).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Record<string, unknown>;
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
