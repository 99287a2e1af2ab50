/** Words that configuration files have for parts of a Vision Transformer. */
import * as v from 'valibot';
import { unsupported } from '../../checkpoints/configuration-check.ts';
import { DiffrateError, quoted } from '../../errors.ts';
import type { Activation } from '../../nn/activation.ts';
import type { ConfigurationFile } from '../family.ts';
import type { VisionTransformerConfiguration } from './configuration.ts';

/** Names of activations in one library. */
export interface ActivationNames {
  /**
   * The activation of that name.
   * @param member of `file`, for the error sentence.
   * @throws {DiffrateError} where it is none that can be computed here.
   */
  of(name: string, member: string, file: string): Activation;
}

function activationNames(names: Readonly<Record<string, Activation>>): ActivationNames {
  return {
    of(name, member, file) {
      const activation = Object.hasOwn(names, name) ? names[name] : undefined;
      if (activation !== undefined) return activation;
      throw unsupported(file, member, name, Object.keys(names).map(quoted).join(', '));
    },
  };
}

/** transformers' `ACT2FN`: several names stand for one function, written in several ways. */
export const huggingFaceActivations = activationNames({
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_pytorch_tanh',
  gelu_fast: 'gelu_pytorch_tanh',
  gelu_accurate: 'gelu_pytorch_tanh',
  gelu_pytorch_tanh: 'gelu_pytorch_tanh',
  gelu_python_tanh: 'gelu_pytorch_tanh',
  quick_gelu: 'quick_gelu',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
});

/** timm's `layers/create_act.py`. */
export const timmActivations = activationNames({
  gelu: 'gelu',
  gelu_tanh: 'gelu_pytorch_tanh',
  quick_gelu: 'quick_gelu',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
});

const problems = {
  single_label_classification: 'classes',
  multi_label_classification: 'labels',
  regression: 'values',
} as const;

/** transformers' `problem_type`; its wrapper of timm's models has it, too. */
export const problemType = v.nullish(
  v.picklist(['single_label_classification', 'multi_label_classification', 'regression']),
);

/** What the outputs are; classes where nothing is said. */
export function problemOf(type: v.InferOutput<typeof problemType>): VisionTransformerConfiguration['problem'] {
  return problems[type ?? 'single_label_classification'];
}

/**
 * A file that promises no bias beside a checkpoint that has one: one of them is another model's,
 * and the answers depend on which.
 * @throws {DiffrateError} that names both.
 */
export function checkQkvBias(
  { file, weights, checkpoint }: ConfigurationFile,
  member: string,
  promised: boolean | null | undefined,
): void {
  const bias = [...weights.keys()].find((name) => /^blocks\.\d+\.attn\.qkv\.bias$/.test(name));
  if (promised !== false || bias === undefined) return;
  throw new DiffrateError(
    `${file}: "${member}" is false, but ${checkpoint} has the tensor "${bias}": use the config.json and the checkpoint of one model.`,
  );
}
