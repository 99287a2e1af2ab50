/** `--selection RULE`: by which rule tokens go, in a search and under schedules that name none. */
import { UsageError } from '../errors.ts';
import { parseSelectionChoice } from '../reduction/selection-choice.ts';
import type { SelectionChoice } from '../reduction/selection-choice.ts';

/** What the option takes. */
const rules = 'dissimilarity, also with numbers (dissimilarity:power=1), or class-attention, the paper’s';

/** Definition for commands that take a schedule. */
export const selectionOption = {
  type: 'string',
  valueHint: 'RULE',
  description: `which tokens go under a schedule that names no rule: ${rules}`,
} as const;

/** Definition for commands that search. */
export const searchedSelectionOption = {
  ...selectionOption,
  description: `which tokens go, in place of the preset’s rule: ${rules}`,
} as const;

/**
 * The rule that the option gives.
 * @throws {UsageError} where it is none.
 */
export function parseSelection(text: string | undefined): SelectionChoice | undefined {
  return text === undefined ? undefined : parseSelectionChoice(text, '--selection');
}

/**
 * What can be told of the option without the network.
 * @throws {UsageError} where it is no rule, or there is nothing that it could be the rule of.
 */
export function checkSelection({ selection, schedule, method }: CompressionGiven): void {
  if (selection === undefined) return;
  parseSelection(selection);
  if (method !== undefined) {
    throw new UsageError(
      '--selection is for schedules, not for --method: write the rule into the method, as diffrate:schedule=FILE,selection=dissimilarity.',
    );
  }
  if (schedule === undefined) {
    throw new UsageError('--selection is a rule for a schedule: give --schedule FILE|NAME, too.');
  }
}

/** What a command may be given. */
export interface CompressionGiven {
  readonly selection?: string | undefined;
  readonly schedule?: string | undefined;
  readonly method?: string | undefined;
}
