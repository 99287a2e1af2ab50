/** The package's JSON schemas, by which the tests check what commands print and write. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';

const folder = 'schemas';
const ending = '.schema.json';

/** The schemas by name: `eval`, `schedule`, `shared`. */
export const schemas: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map(
  readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => [
      file.slice(0, -ending.length),
      JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>,
    ]),
);

// Schemas name each other by their files.
const validator = new Ajv2020({ strict: true, strictRequired: true, allowUnionTypes: true, allErrors: true });
for (const [name, schema] of schemas) validator.addSchema(schema, `${name}${ending}`);

/**
 * What is wrong with a value by a schema: `/runs/0 must have required property 'batch'`.
 * @throws where the schema itself is none
 */
export function schemaFaults(name: string, value: unknown): string[] {
  const validate = validator.getSchema(`${name}${ending}`);
  if (validate === undefined) throw new RangeError(`there is no schema ${name}`);
  if (validate(value) === true) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${Object.values(params).join()}`.trim(),
  );
}
