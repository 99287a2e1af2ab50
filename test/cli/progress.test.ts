/** Progress and tables, as they are written. */
import { describe, expect, it } from 'vitest';
import { formatSeconds, formatTable, oneLine } from '../../src/cli/output.ts';
import { Progress } from '../../src/cli/progress.ts';

function progressOn(stream: { isTTY?: boolean; columns?: number }): {
  progress: Progress;
  written: () => string;
  wait: (milliseconds: number) => void;
} {
  let text = '';
  let now = 0;
  const progress = new Progress({ ...stream, write: (part) => (text += part) }, () => now);
  return { progress, written: () => text, wait: (milliseconds) => (now += milliseconds) };
}

describe('Progress', () => {
  it('writes plain lines in a pipe, not too many, and the last one', () => {
    const { progress, written, wait } = progressOn({});
    for (let step = 1; step <= 100; step++) {
      progress.update(`step ${step}`);
      wait(100);
    }
    progress.end();
    expect(written()).toBe('step 1\nstep 51\nstep 100\n');
  });

  it('rewrites one line on a terminal and ends it', () => {
    const { progress, written, wait } = progressOn({ isTTY: true, columns: 10 });
    progress.update('one');
    wait(200);
    progress.update('a line too long for it');
    progress.note('by the way');
    progress.end();
    progress.end();
    expect(written()).toBe('\r\u001B[Kone\r\u001B[Ka line to\r\u001B[Kby the way\n');
  });
});

describe('text', () => {
  it('has durations in words', () => {
    expect([0.4, 59, 65, 3725].map(formatSeconds)).toEqual(['0 s', '59 s', '1 min 05 s', '1 h 02 min']);
  });

  it('aligns words to the left and numbers to the right', () => {
    expect(
      formatTable(
        ['name', 'n'],
        [
          ['a', '10'],
          ['bcdef', '9'],
        ],
      ),
    ).toBe('name    n\na      10\nbcdef   9');
  });

  it('is one line', () => {
    expect(oneLine('a\n  b\tc ')).toBe('a b c');
  });
});
