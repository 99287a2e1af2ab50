/**
 * What a command prints: its result on standard output, everything else (progress, warnings,
 * errors) on standard error.
 */
import { printable } from '../errors.ts';
import { inCommandWords } from './command-words.ts';

/** Prints a result: as one JSON object, or as text. */
export function printResult(json: boolean | undefined, result: object, text: () => string): void {
  process.stdout.write(`${json === true ? JSON.stringify(result) : text()}\n`);
}

/** Prints a warning, one sentence. */
export function printWarning(message: string): void {
  process.stderr.write(`warning: ${inCommandWords(oneLine(message))}\n`);
}

/** A message on one line, whatever was thrown in the depths. */
export function oneLine(message: string): string {
  return printable(message.replace(/\s+/g, ' ').trim());
}

/** A table in columns: words to the left, numbers to the right, two spaces between. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const numeric = header.map((_, column) => rows.every((row) => /^[-\d.,–×% ]*$/.test(row[column] ?? '')));
  return all
    .map((row) =>
      row.map((cell, column) =>
        numeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      ),
    )
    .map((row) => row.join('  ').trimEnd())
    .join('\n');
}

/** A number with fixed decimals, or a dash where there is none. */
export function formatNumber(value: number | null, digits: number): string {
  return value === null ? '–' : value.toFixed(digits);
}

/** A duration: `45 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** Largest resident memory of this process so far, in bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}
