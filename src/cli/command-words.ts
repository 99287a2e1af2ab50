/**
 * What the program calls what the library's sentences advise. The library names its own options and
 * functions, in backticks (`errors.ts`): here they become options and commands that can be typed.
 */

const commandWords: ReadonlyMap<string, string> = new Map([
  ['correct: false', '--no-correct'],
  ['correctSchedule', 'diffrate search … --correct'],
  ['decoder', '--decoder'],
  ['evaluateModel', 'diffrate eval'],
  ['ignoreOrientation', '--ignore-orientation'],
  ['listedSchedules', '--schedules'],
  ['labels', '--labels'],
  ['methods', '--methods'],
  ['resume', '--resume'],
  ['resume: true', '--resume'],
  ['resume: false', '--restart'],
  ['searchedSchedules', '--search-data'],
  ['searchSchedule', 'diffrate search'],
  ['targets', 'targets (--targets teacher)'],
  ['weights', '--weights'],
]);

/** Names that have words of the program. */
export const translatedNames: readonly string[] = [...commandWords.keys()];

/** A sentence of the library as the program says it. */
export function inCommandWords(sentence: string): string {
  return sentence.replaceAll(/`([\w: ]+)`/g, (quoted, name: string) => commandWords.get(name) ?? quoted);
}
