/**
 * HTML as a template tag: whatever is put into a template is text and escaped, unless it is HTML
 * itself.
 */

/** HTML that is ready to be written. */
export class Html {
  readonly text: string;

  /** @param text trusted: it is written as it is. */
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * What a template takes: text, numbers, HTML, lists of these; nothing is written for `undefined`,
 * `null` and `false`.
 */
export type HtmlValue = string | number | Html | false | null | undefined | readonly HtmlValue[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it must stand in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Joins a template. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.reduce((text, part, index) => `${text}${written(values[index - 1])}${part}`));
}

function written(value: HtmlValue): string {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(written).join('');
  return escapeHtml(String(value));
}
