/**
 * The parameters of a network, recorded by building it. Reading a parameter writes down its name
 * and shape, so no second list of them exists.
 */
import { input } from '../graph/tensor.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from '../nn/parameters.ts';
import { forward, pixelInput } from './forward.ts';
import type { Network } from './network.ts';

/** A parameter that a network reads. */
export interface RecordedParameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** The network asks whether there is such a parameter, and works without it, too. */
  readonly optional: boolean;
}

/** Parameters of which only names and shapes are known. Each one that is read is written down. */
export interface ParameterRecorder extends Parameters {
  readonly recorded: readonly RecordedParameter[];
  /** Optional parameters that were asked for and are not there. */
  readonly absent: readonly string[];
}

/**
 * A recorder.
 * @param has which optional parameters there are, all by default.
 */
export function parameterRecorder(has: (name: string) => boolean = () => true): ParameterRecorder {
  const asked = new Set<string>();
  const built = new Map<string, Tensor>();
  return {
    has(name) {
      asked.add(name);
      return has(name);
    },
    tensor(name, shape) {
      const known = built.get(name) ?? input(name, 'float32', shape);
      built.set(name, known);
      return known;
    },
    get recorded() {
      return [...built].map(([name, { shape }]) => ({ name, shape: shape.map(Number), optional: asked.has(name) }));
    },
    get absent() {
      return [...asked].filter((name) => !has(name));
    },
  };
}

/**
 * Every parameter that a network reads, in the order in which it reads them.
 * @param has which optional parameters there are, all by default.
 */
export function networkParameters(network: Network, has?: (name: string) => boolean): readonly RecordedParameter[] {
  return recordParameters(network, has).recorded;
}

/**
 * What a network reads and asks for, as `networkParameters` has it.
 * @param has which optional parameters there are, all by default.
 */
export function recordParameters(
  network: Network,
  has?: (name: string) => boolean,
): Pick<ParameterRecorder, 'recorded' | 'absent'> {
  const parameters = parameterRecorder(has);
  forward(network, pixelInput(network), { parameters });
  return parameters;
}
