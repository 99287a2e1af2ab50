/**
 * What becomes of each member of a configuration file: it is read, it is without influence on
 * answers, or only values that change nothing are taken. A file's table is data beside its reader,
 * so that no member is left out of sight.
 */
import { unsupported } from './configuration-check.ts';
import { isJsonObject } from './json-object.ts';
import type { JsonObject } from './json-object.ts';
import { quoted } from '../errors.ts';

/** What becomes of a member. */
type Member =
  | { readonly kind: 'read' }
  | { readonly kind: 'harmless' }
  | { readonly kind: 'only'; readonly values: readonly unknown[]; readonly supported: string };

/** Members of one kind of file by name. */
export type MemberTable = Readonly<Record<string, Member>>;

const table = (member: Member, names: readonly string[]): MemberTable =>
  Object.fromEntries(names.map((name) => [name, member]));

/** Members that somebody reads. */
export const read = (...names: readonly string[]): MemberTable => table({ kind: 'read' }, names);

/**
 * Members without influence on answers.
 * @param _reason why, for the reader of a table.
 */
export const harmless = (_reason: string, ...names: readonly string[]): MemberTable =>
  table({ kind: 'harmless' }, names);

/** Members with which only these values are computed here; `null` always leaves the default. */
export const only = (values: readonly unknown[], ...names: readonly string[]): MemberTable =>
  table({ kind: 'only', values, supported: values.map(quoted).join(', ') }, names);

/** Members of additions that are not computed here; empty ones, `false` and 0 add nothing. */
export const absent = (...names: readonly string[]): MemberTable =>
  table({ kind: 'only', values: [false, 0, '', [], {}], supported: 'a network without it' }, names);

/**
 * Goes through a file's members.
 * @param path of the object in the file, for sentences: `model_args.`.
 * @returns names of members that the table does not know; those that begin with `_` are private to
 *   their writer and pass.
 * @throws {DiffrateError} that names the first member whose value cannot be computed here.
 */
export function checkMembers(members: MemberTable, json: JsonObject, file: string, path = ''): string[] {
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(json)) {
    const member = Object.hasOwn(members, name) ? members[name] : undefined;
    if (member === undefined && !name.startsWith('_')) unknown.push(`${path}${name}`);
    if (member?.kind !== 'only' || value === null || isOneOf(value, member.values)) continue;
    throw unsupported(file, `${path}${name}`, value, member.supported);
  }
  return unknown;
}

/** Also for lists and for empty objects. */
function isOneOf(value: unknown, values: readonly unknown[]): boolean {
  return values.some((known) => known === value || sameList(known, value) || (isEmpty(known) && isEmpty(value)));
}

/** A warning of members that are not known; none where there are none. */
export function ignoredMembers(file: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const some = names.slice(0, 3).map(quoted).join(', ');
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return [`${file} has members that are not known here and were ignored: ${some}${more}.`];
}

/** Of numbers, words and the like; whatever else a file has there, it may nest without an end. */
function sameList(known: unknown, value: unknown): boolean {
  if (!Array.isArray(known) || !Array.isArray(value) || known.length !== value.length) return false;
  return known.every((item, index) => item === value[index]);
}

const isEmpty = (value: unknown): boolean => isJsonObject(value) && Object.keys(value).length === 0;
