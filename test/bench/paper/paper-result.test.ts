/** Results of `bench/paper` as tables and sections, and a results file that only grows. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resultSection, resultText, tableCells } from '../../../bench/paper/paper-result.ts';
import type { PaperResult } from '../../../bench/paper/paper-result.ts';
import { appendResult, introduction, withSection } from '../../../bench/paper/results-file.ts';

const result: PaperResult = {
  title: 'Table 0: one thing',
  command: 'npm run paper -- table-0 --images 8',
  date: '2026-01-31',
  machine: '2 cores of a processor, Node 20.1.0',
  rowsAre: 'thing',
  paperColumns: ['top-1 %', 'time'],
  ownColumns: ['KL'],
  rows: [
    { name: 'this', paper: ['79.58', null], own: ['0.01'] },
    { name: 'that | other', paper: [null, '3 h'], own: ['0.2'] },
  ],
  notes: ['One | note.', 'Another.'],
};

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'diffrate-results-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('a result', () => {
  it('has the paper’s figures beside ours, and says which are not known', () => {
    expect(tableCells(result)).toEqual({
      header: ['thing', 'paper: top-1 %', 'paper: time', 'KL'],
      rows: [
        ['this', '79.58', 'unknown', '0.01'],
        ['that | other', 'unknown', '3 h', '0.2'],
      ],
    });
  });

  it('refuses a row that does not fit its columns', () => {
    const rows = [{ name: 'short', paper: [null], own: ['1'] }];
    expect(() => tableCells({ ...result, rows })).toThrow(/row short/);
  });

  it('is a table for a terminal', () => {
    expect(resultText(result).split('\n')).toEqual([
      'Table 0: one thing',
      '',
      'thing         paper: top-1 %  paper: time    KL',
      'this          79.58           unknown      0.01',
      'that | other  unknown         3 h           0.2',
      '',
      'One | note.',
      'Another.',
    ]);
  });

  it('is a section in Markdown, whose cells no bar ends', () => {
    expect(resultSection(result).split('\n')).toEqual([
      '## Table 0: one thing',
      '',
      '2026-01-31, 2 cores of a processor, Node 20.1.0:',
      '',
      '    npm run paper -- table-0 --images 8',
      '',
      '| thing | paper: top-1 % | paper: time | KL |',
      '|---|---|---|---|',
      '| this | 79.58 | unknown | 0.01 |',
      String.raw`| that \| other | unknown | 3 h | 0.2 |`,
      '',
      String.raw`- One \| note.`,
      '- Another.',
      '',
    ]);
  });
});

describe('notes', () => {
  const long = `It has ${'many words '.repeat(13)}at 1.5 GFLOPs (eq. 3).`;

  it('are lists with a sentence a line, of at most 120 characters', () => {
    const section = resultSection({ ...result, notes: [`One. Two of them? “Three”: 0.5. ${long} Last.`] });
    const lines = section.split('\n').slice(-7);
    expect(lines).toEqual([
      '- One.',
      '  Two of them?',
      '  “Three”: 0.5.',
      `  It has ${'many words '.repeat(10).trimEnd()}`,
      `  ${'many words '.repeat(3)}at 1.5 GFLOPs (eq. 3).`,
      '  Last.',
      '',
    ]);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it('lose no word', () => {
    const [item = ''] = resultSection({ ...result, notes: [long] })
      .split('\n\n')
      .slice(-1);
    expect(item.replace('- ', '').split(/\s+/).join(' ').trim()).toBe(long);
  });
});

describe('the results file', () => {
  it('begins with a sentence a line', () => {
    expect(introduction.split('\n').filter((line) => line.length > 120 || /[.!?] /.test(line))).toEqual([]);
  });

  it('keeps every line that was there, whatever it is, and ends with the new section', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('# A', '', '## B', 'text', '| x |', '```', '    code')), (lines) => {
        const before = lines.join('\n');
        const after = withSection(before, '## New\n\ntext\n');
        const kept = before.trim() === '' ? introduction : before;
        expect(after.startsWith(kept.replace(/\n*$/, '\n'))).toBe(true);
        expect(after.endsWith('\n\n## New\n\ntext\n')).toBe(true);
      }),
    );
  });

  it('is begun with an introduction, and grows by a section per result', async () => {
    const path = join(directory, 'new', 'results.md');
    await appendResult(path, result);
    await appendResult(path, { ...result, title: 'Table 1: another' });
    const text = readFileSync(path, 'utf8');
    expect(text.startsWith(introduction)).toBe(true);
    expect(text.match(/^## .*$/gm)).toEqual(['## Table 0: one thing', '## Table 1: another']);
    expect(text.split(resultSection(result))).toHaveLength(2);
    expect(readdirSync(join(directory, 'new'))).toEqual(['results.md']);
  });

  it('is as it was where it cannot be written, and nothing is left beside it', async () => {
    const path = join(directory, 'folder.md');
    mkdirSync(join(path, 'in the way'), { recursive: true });
    await expect(appendResult(path, result)).rejects.toThrow(/folder\.md cannot be written .*--results/);
    const below = join(directory, 'file', 'results.md');
    writeFileSync(join(directory, 'file'), 'text');
    await expect(appendResult(below, result)).rejects.toThrow(/cannot be written/);
    expect(readdirSync(directory).filter((name) => name.includes('partial'))).toEqual([]);
  });
});
