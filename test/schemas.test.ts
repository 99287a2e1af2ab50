/**
 * The JSON schemas of what commands print and write: they are schemas, strict ones, and say of
 * every member what it is. Tests of the commands check the printed objects by them (`jsonOf`).
 */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { frontIndex } from '../src/exporting/front-folder.ts';
import { exportDtypes } from '../src/exporting/precision.ts';
import { mergeRules } from '../src/reduction/merge-rule.ts';
import { serializeSchedule } from '../src/reduction/schedule.ts';
import { selectionNumbers, selectionRules } from '../src/reduction/selection.ts';
import type { Schedule } from '../src/reduction/schedule.ts';
import { schemaFaults, schemas } from './report-schema.ts';

const commands = readdirSync('src/cli/commands').map((file) => file.replace(/\.ts$/, ''));

interface SchemaPart {
  readonly type?: unknown;
  readonly $ref?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaPart>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
}

/** Every part of a schema with its path. */
function partsOf(part: unknown, path: string): (readonly [path: string, part: SchemaPart])[] {
  if (typeof part !== 'object' || part === null) return [];
  const below = Object.entries(part).flatMap(([key, value]) => partsOf(value, `${path}/${key}`));
  return Array.isArray(part) ? below : [[path, part], ...below];
}

const parts = [...schemas].flatMap(([name, schema]) => partsOf(schema, name));

describe('schemas', () => {
  it('are there for every command, for dry runs, schedules and fronts', () => {
    expect([...schemas.keys()].sort()).toEqual([...commands, 'dry-run', 'front', 'schedule', 'shared'].sort());
  });

  it.each([...schemas.keys()])('%s is a schema in strict mode', (name) => {
    expect(() => schemaFaults(name, {})).not.toThrow();
    expect(schemas.get(name)).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema' });
  });

  it('allow no members but those that they name', () => {
    const objects = parts.filter(([, { type }]) => type === 'object');
    expect(objects.length).toBeGreaterThan(schemas.size);
    expect(objects.filter(([, part]) => part.additionalProperties !== false).map(([path]) => path)).toEqual([]);
    expect(objects.filter(([, part]) => part.required === undefined).map(([path]) => path)).toEqual([]);
  });

  it('say of every member what it is', () => {
    const silent = parts.flatMap(([path, { properties = {} }]) =>
      Object.entries(properties)
        .filter(([, { description, $ref }]) => description === undefined && $ref === undefined)
        .map(([name]) => `${path}/${name}`),
    );
    expect(silent).toEqual([]);
  });

  it('know the program’s words', () => {
    const { $defs } = schemas.get('shared') as { $defs: Record<string, { enum?: string[] }> };
    expect($defs['merging']?.enum).toEqual([...mergeRules]);
    const rule = parts.filter(([path]) => path.startsWith('shared/$defs/selection/properties/'));
    expect(rule.map(([path, part]) => [path.split('/').at(-1), part])).toMatchObject([
      ['rule', { enum: [...selectionRules] }],
      ...Object.entries(selectionNumbers).map(([name, { least, greatest }]) => [
        name,
        { minimum: least, maximum: greatest },
      ]),
    ]);
    const dtypes = parts.find(([path]) => path === 'export/properties/dtypes/items')?.[1] as { enum?: string[] };
    expect(dtypes.enum).toEqual([...exportDtypes]);
  });

  it.each([
    [
      'bench',
      { model: 'm', schedule: null, selection: null, method: null, runs: [] },
      /\/runs must NOT have fewer than 1 items/,
    ],
    ['bench', { model: 'm', schedule: null, runs: 1 }, /must have required property 'method'/],
    ['schedule', { other: 1 }, /must NOT have additional properties other/],
  ])('refuse a wrong object of %s', (name, value, fault) => {
    expect(schemaFaults(name, value).join('\n')).toMatch(fault);
  });
});

describe('schedules of other costs than FLOPs', () => {
  const cost = { unit: 'ms', value: 11.5, target: 12, device: 'cpu' };
  const kept = { pruneKept: [17, 9], mergeKept: [16, 8], merging: 'patches' } as const;
  const origin = { model: 'small', inputSize: [32, 16], createdBy: 'a test' } as const;
  const schedule: Schedule = { ...origin, ...kept, cost, gflops: 0.1, target: null };

  it('fit the schema', () => {
    expect(schemaFaults('schedule', JSON.parse(serializeSchedule(schedule)))).toEqual([]);
  });

  it('fit the schema of a front’s index', () => {
    const points = [{ ratio: 0.8, schedule, loss: 0.25 }];
    const index = frontIndex({ points, baseline: 14, unit: 'ms' });
    expect(schemaFaults('front', JSON.parse(JSON.stringify(index)))).toEqual([]);
    expect(Object.keys(index)).toEqual(['model', 'inputSize', 'baseline', 'unit', 'createdBy', 'points']);
  });
});
