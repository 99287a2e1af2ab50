/**
 * Damage to JSON texts that leaves them JSON: members of other types, missing, added, doubled,
 * huge, nested deep.
 */
import type { RandomGenerator } from '../../src/data/random.ts';

/** A JSON text that a member becomes. */
type Value = (random: RandomGenerator) => string;

const deepest = 20_000;
const shallow = 40;
/** Members that lie deeper are not changed. */
const deepestPath = 12;

const strangeTexts = [
  '""',
  '"\\u0000\\u001b[31m"',
  '"../../../outside"',
  '"C:\\\\outside"',
  '"__proto__"',
  '"\\ud800"',
  '"NaN"',
  '"0"',
  '"true"',
];

const strangeNumbers = ['0', '-1', '1', '0.5', '-0', '1e308', '1e400', '2147483648', '4294967297', '9007199254740993'];

const pick = (values: readonly string[], random: RandomGenerator): string =>
  values[random.integer(values.length)] ?? 'null';

const values: readonly Value[] = [
  (random) => pick(['null', 'true', 'false', '[]', '{}', '[[]]', '[null]', '{"":{}}'], random),
  (random) => pick(strangeNumbers, random),
  (random) => pick(strangeTexts, random),
  (random) => `"${'x'.repeat(1 + random.integer(4000))}"`,
  (random) => `[${'0,'.repeat(random.integer(1000))}0]`,
  (random) => {
    // Mostly shallow, as deep ones take long to make.
    const depth = 1 + random.integer(random.integer(10) === 0 ? deepest : shallow);
    return random.integer(2) === 0
      ? '['.repeat(depth) + ']'.repeat(depth)
      : '{"a":'.repeat(depth) + '0' + '}'.repeat(depth);
  },
  (random) => `{"__proto__":${pick(['null', '{"x":1}', '[]'], random)},"constructor":1}`,
];

/** A place in a JSON value. */
type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null || path.length > deepestPath) return [path];
  const inner = Array.isArray(value)
    ? value.slice(0, 20).flatMap((item: unknown, index) => pathsOf(item, [...path, index]))
    : Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key]));
  return [path, ...inner];
}

/** The text of a value, with the one at `path` replaced, or left out where there is no text. */
function textOf(value: unknown, path: Path, replaced: string | undefined): string | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return replaced;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, index) =>
      index === key ? textOf(item, rest, replaced) : JSON.stringify(item),
    );
    return `[${items.filter((item) => item !== undefined).join(',')}]`;
  }
  const members = Object.entries(value as object).flatMap(([name, item]: [string, unknown]) => {
    const text = name === key ? textOf(item, rest, replaced) : JSON.stringify(item);
    return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`];
  });
  return `{${members.join(',')}}`;
}

/** The JSON text with some of its members changed; as it is where it is no JSON. */
export function mutateJson(text: string, random: RandomGenerator): string {
  let changed = text;
  for (let count = 1 + random.integer(3); count > 0; count--) {
    try {
      changed = changedOnce(changed, random);
    } catch {
      // Nested too deep to be walked, or no JSON any more: damaged enough.
      return changed;
    }
  }
  return changed;
}

function changedOnce(text: string, random: RandomGenerator): string {
  const value: unknown = JSON.parse(text);
  const paths = pathsOf(value);
  const path = paths[random.integer(paths.length)] ?? [];
  const replaced =
    random.integer(6) === 0 ? undefined : (values[random.integer(values.length)] ?? (() => 'null'))(random);
  return textOf(value, path, replaced) ?? '';
}
