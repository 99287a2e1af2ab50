/** How a rule of selection is asked for, and which schedules take it. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import {
  formatSelectionChoice,
  parseSelectionChoice,
  requireSelectable,
  selectionInWords,
  settledSelection,
  withSelection,
} from '../../src/reduction/selection-choice.ts';
import type { SelectionChoice } from '../../src/reduction/selection-choice.ts';
import { dissimilarity } from '../../src/reduction/selection.ts';
import { smallNetwork } from '../evaluation/small-network.ts';

const kept = { pruneKept: [17, 14], mergeKept: [17, 12] };
const { network } = smallNetwork();

/** A schedule with a rule, and the sentences that were said of it. */
function given(schedule: Parameters<typeof withSelection>[0], choice: SelectionChoice) {
  const said: string[] = [];
  const result = withSelection(schedule, choice, { source: 'a.json', onWarning: (message) => said.push(message) });
  return { result, said };
}

describe('a rule that is asked for', () => {
  it.each([
    ['class-attention', undefined],
    ['dissimilarity', dissimilarity],
    ['dissimilarity:power=1, norm=.8', { ...dissimilarity, power: 1, norm: 0.8 }],
  ])('is read from %s, and written in the same way', (text, selection) => {
    const read = settledSelection(parseSelectionChoice(text));
    expect(read).toEqual(selection);
    expect(settledSelection(parseSelectionChoice(formatSelectionChoice(read)))).toEqual(selection);
  });

  it('is an object, too, in which the usual numbers may be left out', () => {
    expect(settledSelection({ rule: 'dissimilarity', power: 0, norm: undefined })).toEqual({
      ...dissimilarity,
      power: 0,
    });
  });

  it.each([
    ['disimilarity', '--selection has no rule "disimilarity": did you mean dissimilarity?'],
    ['entropy', '--selection has no rule "entropy": use one of class-attention, dissimilarity.'],
    ['dissimilarity:powr=1', '--selection has no number "powr" for dissimilarity: did you mean power?'],
    ['dissimilarity:temperature=1', '--selection has no number "temperature" for dissimilarity: use one of power,'],
    ['dissimilarity:power=9', '--selection needs power from 0 to 8, not 9.'],
    ['dissimilarity:norm=much', '--selection needs norm from 0 to 1, not "much".'],
    ['dissimilarity:norm=-1', '--selection needs norm from 0 to 1, not "-1".'],
    ['dissimilarity:norm=', '--selection needs norm from 0 to 1, not "".'],
    ['dissimilarity:norm=1,norm=1', '--selection gives norm twice; keep one of them.'],
    ['dissimilarity:', '--selection must be like dissimilarity:power=1,norm=0.8, not "dissimilarity:".'],
    ['dissimilarity:rule=1', '--selection has no number "rule"'],
    ['class-attention:power=1', '--selection gives "power" to class-attention, which has no numbers: leave it out.'],
  ])('%s is refused in a sentence', (text, sentence) => {
    const parse = () => parseSelectionChoice(text, '--selection');
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(sentence);
  });

  it.each([
    [null],
    [3],
    [[]],
    [{}],
    [{ rule: 7 }],
    [{ rule: 'dissimilarity', power: '1' }],
    [{ rule: 'dissimilarity', power: NaN }],
  ])('as %j is refused in a sentence, too', (choice) => {
    expect(() => settledSelection(choice as unknown as SelectionChoice)).toThrow(UsageError);
  });
});

describe('a schedule with a rule of selection', () => {
  it('takes the rule and its way of merging where it names none', () => {
    const { result, said } = given(kept, 'dissimilarity');
    expect(result).toEqual({ ...kept, selection: dissimilarity, merging: 'patches' });
    expect(said).toEqual([]);
    expect(given({ ...kept, merging: 'patches' }, 'dissimilarity').said).toEqual([]);
  });

  it('merges by the rule’s way in place of its own, and says so', () => {
    const { result, said } = given({ ...kept, merging: 'count' }, 'dissimilarity');
    expect(result.merging).toBe('patches');
    expect(said).toEqual(['a.json merges by count, in place of which the rule dissimilarity merges by patches.']);
  });

  it('keeps a rule that it names, and says so', () => {
    const own = { ...kept, selection: { ...dissimilarity, power: 1 }, merging: 'patches' as const };
    for (const choice of ['dissimilarity', 'class-attention'] as const) {
      const { result, said } = given(own, choice);
      expect(result).toBe(own);
      expect(said).toEqual([
        `a.json selects tokens by its own rule, dissimilarity:power=1, which it keeps in place of ${choice}.`,
      ]);
    }
    expect(given(own, { rule: 'dissimilarity', power: 1 })).toEqual({ result: own, said: [] });
  });

  it('is as it was by class attention', () => {
    expect(given(kept, 'class-attention')).toEqual({ result: kept, said: [] });
  });
});

describe('a network', () => {
  const without = { ...network, layout: { ...network.layout, prefix: 0 } };

  it('needs something whose attention ranks its tokens', () => {
    expect(() => requireSelectable(dissimilarity, without)).toThrow(
      /^The rule dissimilarity ranks tokens by the attention of a class token, which the network does not have/,
    );
    requireSelectable(undefined, without);
    requireSelectable(dissimilarity, network);
    requireSelectable(dissimilarity, { ...without, importanceFrom: 'attention-received' });
  });

  it('says whose attention it is', () => {
    expect(selectionInWords(undefined, network)).toBe('the class token’s attention alone (class-attention)');
    expect(selectionInWords(dissimilarity, without)).toMatch(
      /^the attention that they receive and their dissimilarity/,
    );
  });
});
