/**
 * Which of the sets of weights in a checkpoint is taken: one that fits the network before one that
 * does not, weights before gradients and states of optimizers, one with a classifier before one
 * without, plain weights before moving averages. What could be taken instead is said.
 */
import { DiffrateError } from '../errors.ts';
import { canonicalWeights } from './canonical-weights.ts';
import { otherFamily } from './other-families.ts';
import { unreadable } from './pytorch-pickle.ts';
import { withoutValues, type StoredCheckpoint, type StoredTensor } from './stored-checkpoint.ts';
import { findCandidates, type Candidate } from './unwrapping.ts';
import { float32Values, type Weights } from './weights.ts';

/** How a set of weights is tried on a network. */
export interface Fitting {
  /** Names of the network's parameters, as far as they are known before its weights are. */
  readonly names: ReadonlySet<string>;
  /**
   * Tries weights of which only names, types and shapes are there.
   * @throws {DiffrateError} where they do not fit.
   */
  try(weights: Weights): void;
}

/** Weights that were chosen. */
export interface ChosenWeights {
  /** With canonical names. */
  readonly weights: Weights;
  /** Names of tensors beside them in the same dictionary, which were not looked into. */
  readonly outside: readonly string[];
  readonly warnings: readonly string[];
}

/** A choice that waits for values. */
export interface Choice {
  /** Tensors whose values it needs. */
  readonly needed: readonly StoredTensor[];
  /** @param values of these, by full name. */
  finish(values: Weights): ChosenWeights;
}

/** What a choice depends on. */
export interface ChoiceOptions extends Fitting {
  /** The checkpoint, for error sentences. */
  readonly file: string;
  /** A key of a dictionary or a prefix, `''` for the tensors at the top. */
  readonly wanted?: string | undefined;
}

/** Names of weights that are a mean over training steps, alone or written together with others. */
const AVERAGE = new RegExp(
  [
    /(?:^|_)(?:ema|swa|avg|averaged?|teacher|momentum)(?:_|$)/,
    /^(?:ema|swa|avg|averaged?)(?:model|net|network|weights|params|state|encoder|backbone|vit)/,
    /(?:model|net|network|weights|params|state|encoder|backbone|vit)(?:ema|swa|avg|averaged?)$/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/** Names of what has the shapes of weights and is none, or was none any more after training. */
const NO_WEIGHTS =
  /^(?:grads?|gradients?|optim.*|opt(?:_state)?|(?:max_)?exp_avg(?:_sq)?|momentum(?:_buffers?)?|init(?:ial)?(?:_.*)?)$/i;

/** What training scripts and libraries put around every name; nobody needs to hear of them. */
const USUAL = /^(?:module|model|backbone|_orig_mod|timm_model|state_dict|model_state_dict|vit|deit)$/;

/**
 * Chooses the weights that fit best.
 * @throws {DiffrateError} that says what is wrong with the best of them where none fits.
 */
export function chooseWeights(
  checkpoint: Pick<StoredCheckpoint, 'tensors' | 'wholeModule'>,
  options: ChoiceOptions,
): Choice {
  const { file, wanted } = options;
  if (checkpoint.wholeModule !== undefined && checkpoint.tensors.length === 0) {
    throw wholeModuleError(file, checkpoint.wholeModule);
  }
  const all = findCandidates(checkpoint.tensors, options.names);
  if (all.length === 0) {
    throw new DiffrateError(`${file} holds no tensors by name: save a model's state_dict, best as safetensors.`);
  }
  const asked = wanted === undefined ? all : all.filter(({ prefix }) => isBehind(prefix, wanted));
  if (asked.length === 0) throw notThere(file, wanted ?? '', all);
  const tried = asked.map((candidate) => ({ candidate, error: failureOf(candidate, options) }));
  const fitting = tried.filter(({ error }) => error === undefined).map(({ candidate }) => candidate);
  const ranked = fitting.toSorted((a, b) => rankOf(a) - rankOf(b));
  const [chosen, ...others] = ranked;
  if (chosen === undefined) throw failure(tried, checkpoint, file);
  const said = choiceSentences(chosen, others, all, options);
  const heads = others.flatMap((candidate) => headOf(candidate) ?? []);
  return {
    needed: [...chosen.members, ...chosen.unknown].map(({ tensor }) => tensor).concat(heads),
    finish: (values) => ({
      weights: canonicalWeights(chosen, values, file),
      outside: chosen.outside,
      warnings: [...said, ...zeroHeadSentences(chosen, others, all, values, file)],
    }),
  };
}

/** A candidate, and what is wrong with it, if anything. */
interface Tried {
  readonly candidate: Candidate;
  readonly error: DiffrateError | undefined;
}

/** What is wrong with a candidate, if anything. */
function failureOf(candidate: Candidate, options: ChoiceOptions): DiffrateError | undefined {
  const { file } = options;
  const broken = candidate.members.find(({ tensor }) => tensor.needs !== undefined)?.tensor;
  if (broken?.needs !== undefined) return unreadable(file, broken.name, broken.needs);
  const tensors = [...candidate.members, ...candidate.unknown].map(({ tensor }) => tensor);
  const values: Weights = new Map(tensors.map((tensor) => [tensor.name, withoutValues(tensor)]));
  try {
    options.try(canonicalWeights(candidate, values, file));
    return undefined;
  } catch (error) {
    if (error instanceof DiffrateError) return error;
    throw error;
  }
}

/** Weights count before what is none, a classifier before plainness, plainness before the rest. */
function rankOf(candidate: Candidate): number {
  const parts = candidate.prefix.split('.');
  const isAverage = parts.some((part) => AVERAGE.test(part));
  const isNone = parts.some((part) => NO_WEIGHTS.test(part));
  return (isNone ? 4 : 0) + (headOf(candidate) === undefined ? 2 : 0) + (isAverage ? 1 : 0);
}

function headOf(candidate: Candidate): StoredTensor | undefined {
  return candidate.members.find(({ destination: it }) => it.kind === 'renamed' && it.name === 'head.weight')?.tensor;
}

/** Whether a prefix begins with the wanted parts, or has them one after the other. */
function isBehind(prefix: string, wanted: string): boolean {
  const path = wanted.replaceAll('/', '.').replace(/\.$/, '');
  if (path === '') return prefix === '';
  return `.${prefix}`.includes(`.${path}.`);
}

/** The error of the candidate that most names are known of, or what the checkpoint is instead. */
function failure(
  tried: readonly Tried[],
  { tensors, wholeModule }: Pick<StoredCheckpoint, 'tensors' | 'wholeModule'>,
  file: string,
): DiffrateError {
  const [best] = tried.toSorted(
    (a, b) => b.candidate.members.length - a.candidate.members.length || rankOf(a.candidate) - rankOf(b.candidate),
  );
  if (wholeModule !== undefined && best?.candidate.members.length === 0) return wholeModuleError(file, wholeModule);
  // Names of an encoder that is understood say nothing of what stands beside it.
  const hasPatches = best?.candidate.members.some(
    ({ destination: it }) => it.kind === 'renamed' && it.name === 'patch_embed.proj.weight',
  );
  const telling = hasPatches ? (best?.candidate.unknown ?? []).map(({ tensor }) => tensor) : tensors;
  const other = otherFamily(telling.map(({ name }) => name));
  if (other !== undefined) {
    return new DiffrateError(
      `${file} looks like ${other.family} (it holds "${other.name}"), which is not supported: use a checkpoint of a Vision Transformer (ViT, DeiT or MAE).`,
    );
  }
  return best?.error ?? new DiffrateError(`${file} holds no weights that fit: use another checkpoint.`);
}

/** How a candidate is named behind `#`: as short as only it goes by that name. */
function keyOf(candidate: Candidate, all: readonly Candidate[]): string {
  const parts = candidate.prefix.split('.').slice(0, -1);
  for (let count = 1; count < parts.length; count++) {
    const key = parts.slice(0, count).join('.');
    if (all.every((other) => other === candidate || !isBehind(other.prefix, key))) return key;
  }
  return parts.join('.');
}

const quoted = (key: string): string => (key === '' ? 'the tensors at the top' : `"${key}"`);

/** A classifier that its place alone makes one: a layer `fc` beside the rest. */
function unusualHead(candidate: Candidate): string | undefined {
  const head = headOf(candidate)?.name.replace(/\.weight$/, '');
  return head !== undefined && /(?:^|\.)fc$/.test(head) ? head : undefined;
}

/** What was taken, where that is not plain, and what else there is. */
function choiceSentences(
  chosen: Candidate,
  others: readonly Candidate[],
  all: readonly Candidate[],
  { file, wanted }: ChoiceOptions,
): string[] {
  if (wanted !== undefined && others.length === 0) return [];
  if (others.length > 0) {
    const rest = others.map((other) => keyOf(other, all));
    return [
      `${file} holds ${others.length + 1} sets of weights that fit: ${quoted(keyOf(chosen, all))} is taken; to take ${rest.slice(0, 3).map(quoted).join(' or ')} give \`weights\` ${file}#${rest[0]}.`,
    ];
  }
  const parts = chosen.prefix.split('.').slice(0, -1);
  const classifier = unusualHead(chosen);
  if (classifier === undefined && parts.every((part) => USUAL.test(part))) return [];
  const taken = parts.length === 0 ? 'the weights' : `the weights under "${parts.join('.')}"`;
  return [`${file}: ${taken} are taken${classifier === undefined ? '' : `, with the classifier "${classifier}"`}.`];
}

/** A classifier of zeros was never trained: where another set has one that was, it is meant. */
function zeroHeadSentences(
  chosen: Candidate,
  others: readonly Candidate[],
  all: readonly Candidate[],
  values: Weights,
  file: string,
): string[] {
  const isZero = (candidate: Candidate): boolean => {
    const head = values.get(headOf(candidate)?.name ?? '');
    return head !== undefined && float32Values(head).every((value) => value === 0);
  };
  if (!isZero(chosen)) return [];
  const better = others.find((other) => headOf(other) !== undefined && !isZero(other));
  if (better === undefined) return [];
  const key = keyOf(better, all);
  return [
    `${file}: the classifier of ${quoted(keyOf(chosen, all))}, which is taken, is all zeros, and that of ${quoted(key)} is not: give \`weights\` ${file}#${key} if that one is meant.`,
  ];
}

function notThere(file: string, wanted: string, all: readonly Candidate[]): DiffrateError {
  const keys = all.map((candidate) => quoted(keyOf(candidate, all))).join(', ');
  return new DiffrateError(`${file} has no weights under ${quoted(wanted.slice(0, 80))}: it has ${keys}.`);
}

function wholeModuleError(file: string, className: string): DiffrateError {
  const printable = className.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 80);
  return new DiffrateError(
    `${file} holds a whole PyTorch module (${printable}), which only its own Python code can read: save its state_dict(), best as safetensors.`,
  );
}
