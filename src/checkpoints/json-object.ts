/** Objects of JSON files, of which nothing is known yet. */

/** A parsed JSON object; its fields are unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a parsed value is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
