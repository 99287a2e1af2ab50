/**
 * ONNX Runtime's profile (the JSON trace that `profilePrefix` asks for): milliseconds per node, and
 * the share of a scope of the network. Node names are those of the lowered graph
 * (`blocks.3/reduction/merge/MatMul`); nodes that ONNX Runtime fused keep the name of one of them
 * or get a name of its own, and are counted under that.
 */
import { median, sum } from 'd3-array';
import * as v from 'valibot';
import { DiffrateError, messageOf } from '../errors.ts';

/** Time of one node. */
export interface NodeTime {
  readonly name: string;
  readonly operator: string;
  /** Median over the runs in the profile, in ms. */
  readonly milliseconds: number;
  readonly runs: number;
}

const event = v.object({
  cat: v.optional(v.string()),
  name: v.string(),
  dur: v.optional(v.number(), 0),
  args: v.optional(v.object({ op_name: v.optional(v.string(), '') }), {}),
});
const suffix = '_kernel_time';

/**
 * Times per node, in the order in which the nodes first ran.
 * @param source the file that the error sentence mentions
 * @throws DiffrateError if the text is not such a profile
 */
export function parseProfile(json: string, source: string): NodeTime[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new DiffrateError(`${source} is not a profile of ONNX Runtime: it is not valid JSON (${messageOf(error)}).`);
  }
  const events = v.safeParse(v.array(event), value);
  if (!events.success)
    throw new DiffrateError(`${source} is not a profile of ONNX Runtime: it is no list of trace events.`);
  const nodes = new Map<string, { operator: string; durations: number[] }>();
  for (const { cat, name, dur, args } of events.output) {
    if (cat !== 'Node' || !name.endsWith(suffix)) continue;
    const node = name.slice(0, -suffix.length);
    const known = nodes.get(node) ?? { operator: args.op_name, durations: [] };
    known.durations.push(dur / 1000);
    nodes.set(node, known);
  }
  if (nodes.size === 0)
    throw new DiffrateError(
      `${source} holds no times of nodes: run the model at least once before ending the profile.`,
    );
  return [...nodes].map(([name, { operator, durations }]) => {
    return { name, operator, milliseconds: median(durations) ?? 0, runs: durations.length };
  });
}

/**
 * The share of nodes with `scope` in their path (`reduction` in `blocks.3/reduction/merge/MatMul`),
 * from 0 to 1.
 */
export function scopeShare(nodes: readonly NodeTime[], scope: string): number {
  const total = (times: readonly NodeTime[]): number => sum(times, ({ milliseconds }) => milliseconds);
  return total(nodes.filter(({ name }) => name.split('/').includes(scope))) / total(nodes);
}
