/** Sentences as lines of Markdown, as `scripts/check-lines.ts` wants them: one a line. */

/** Most characters of a line. */
const longest = 120;

/** An item of a list: each sentence begins a line, and a long one goes on in the next. */
export function listItem(text: string): string {
  const sentences = text.split(/(?<=[.!?]["”’)]?) +(?=["“(*_[]*[A-Z])/);
  return `- ${sentences.flatMap((sentence) => wrapped(sentence, longest - 2)).join('\n  ')}`;
}

/** Lines of at most so many characters, broken between words; a longer word has its own line. */
function wrapped(sentence: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines.splice(-1, 1, `${line} ${word}`);
    else lines.push(word);
  }
  return lines;
}
