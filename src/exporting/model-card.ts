/**
 * `README.md` of an exported folder: a model card as the Hugging Face hub reads it, with what was
 * counted and measured.
 */
import { formatCost, formatGflops } from '../cost/cost.ts';
import { baselineFlops, countFlops, flopsPerGflop } from '../cost/flops.ts';
import { countGraphFlops } from '../cost/graph-flops.ts';
import { countMethodFlops } from '../cost/method-flops.ts';
import type { Measured } from '../evaluation/measurements.ts';
import type { Metrics } from '../evaluation/metrics.ts';
import { answersVerdict } from '../evaluation/verdict.ts';
import { objectiveLabel, shownMetrics } from '../evaluation/shown-metrics.ts';
import type { ShownMetric } from '../evaluation/shown-metrics.ts';
import { formatShape } from '../graph/tensor.ts';
import type { LoadedModel } from '../loading/model-from-files.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import { parameterRecorder } from '../networks/recorded-parameters.ts';
import { lookUpModel } from '../networks/registry.ts';
import type { RegistryEntry } from '../networks/registry.ts';
import type { Network } from '../networks/network.ts';
import type { MergeRule } from '../reduction/merge-rule.ts';
import { diffRate } from '../reduction/methods/diffrate.ts';
import type { NamedMethod } from '../reduction/methods/registry.ts';
import { effectiveTokens } from '../reduction/schedule.ts';
import type { Schedule } from '../reduction/schedule.ts';
import { selectionInWords } from '../reduction/selection-choice.ts';
import { tokenCount } from '../reduction/token-layout.ts';
import { correctionSentence } from './correction-file.ts';
import type { CorrectionFigures } from './correction-file.ts';
import { precisionTable } from './measured-precision.ts';
import type { MeasuredPrecision } from './measured-precision.ts';
import type { ExportDtype } from './precision.ts';
import { onnxRuntimeCode, pipelineTask, transformersCode } from './usage-code.ts';

/** Everything that a card tells. */
export interface ModelCard {
  readonly model: LoadedModel;
  readonly schedule?: Schedule | undefined;
  /** What parameters that were trained for the schedule are worth, where there are such. */
  readonly correction?: CorrectionFigures | undefined;
  /** A method in place of a schedule. */
  readonly method?: NamedMethod | undefined;
  readonly dtypes: readonly ExportDtype[];
  /** Only what is given is written. */
  readonly measured?: Measured | undefined;
  /** What was measured of each file. */
  readonly precisions?: readonly MeasuredPrecision[] | undefined;
  /** What the search of the schedule reckoned for choosing and merging in one block, in GFLOPs. */
  readonly blockOverhead?: number | undefined;
}

const hubLicences = new Map([
  ['Apache-2.0', 'apache-2.0'],
  ['CC BY-NC 4.0 (not for commercial use)', 'cc-by-nc-4.0'],
]);

const giga = (value: number, beside = value): string => formatGflops(value / flopsPerGflop, beside / flopsPerGflop);

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** The card's text. */
export function modelCard(card: ModelCard): string {
  const sections = [frontMatter(card), introduction(card), figures(card), usage(card), provenance(card)];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/**
 * A head of another number of classes is somebody's own, whose licence the registry cannot know.
 */
function isOriginal({ network }: LoadedModel, { declared }: RegistryEntry): boolean {
  const original = declared?.network.answers;
  return original?.kind === network.answers.kind && original.size === network.answers.size;
}

function frontMatter(card: ModelCard): string {
  const entry = lookUpModel(card.model.name);
  const licence = entry && isOriginal(card.model, entry) ? hubLicences.get(entry.licence) : undefined;
  const base = entry?.hubId;
  return [
    '---',
    'library_name: transformers.js',
    `pipeline_tag: ${pipelineTask(card.model)}`,
    ...(licence === undefined ? [] : [`license: ${licence}`]),
    ...(base === undefined ? [] : [`base_model: ${base}`]),
    'tags:',
    ...['onnx', 'vit', 'diffrate', ...(card.schedule || card.method ? ['token-pruning', 'token-merging'] : [])].map(
      (tag) => `- ${tag}`,
    ),
    '---',
  ].join('\n');
}

/** What goes in and what comes out, in a sentence. */
function borders({ network, parameters }: LoadedModel): string {
  const pixels = pixelInput(network);
  const { outputs } = forward(network, pixels, { parameters: parameterRecorder(parameters.has) });
  const named = Object.entries(outputs).map(([name, { shape }]) => `\`${name}\` ${formatShape(shape)}`);
  const pooled = network.answers.kind === 'features' ? ' (pooled features)' : '';
  return `Input \`pixel_values\` ${formatShape(pixels.shape)}, output ${named.join(' and ')}${pooled}.`;
}

function introduction({ model, schedule, correction, method, dtypes, blockOverhead }: ModelCard): string {
  const { name, network } = model;
  const { depth } = network;
  const tokens = tokenCount(network.layout);
  const title = schedule === undefined ? `# ${name} (ONNX)` : `# ${name}, compressed with DiffRate`;
  const input = borders(model);
  if (method !== undefined) {
    const how =
      method.learned === undefined
        ? `The weights are those of the original network, ${unchanged(dtypes)}. Tokens are removed by ${method.method.title}, without training:`
        : `The network was trained for ${method.method.title}, by which tokens are removed:`;
    return `# ${name}, compressed by ${method.method.name}

${how}
\`${method.name}\`; the ${tokens} tokens become ${method.tokensPerBlock.join(', ')} after the ${depth} blocks. ${input}`;
  }
  if (schedule === undefined)
    return `${title}\n\nThe network as it was trained, all ${tokens} tokens in all ${depth} blocks. ${input}`;
  const blocks = effectiveTokens(schedule, tokens).map(({ tokensOut }) => tokensOut);
  return `${title}

The weights are those of the original network, ${correction === undefined ? '' : 'but for a correction, and else '}${unchanged(dtypes)}. Each block prunes and merges tokens, by a schedule that is fixed in
the ONNX graph ([DiffRate](https://arxiv.org/abs/2305.17997), ICCV 2023); its ${tokens} tokens become ${blocks.join(', ')}
after the ${depth} blocks.${restingSentence(blocks, network, blockOverhead)} ${selectionSentence(schedule, network)} ${mergingSentence(schedule)} See \`schedule.json\`. ${input}${correction === undefined ? '' : `\n\n${correctionSentence(correction)} See \`correction.safetensors\`.`}`;
}

/**
 * Why blocks remove nothing, in a sentence with a space before it; empty where that is not known.
 */
function restingSentence(
  tokensAfter: readonly number[],
  { layout, reads }: Network,
  overhead: number | undefined,
): string {
  // Where only prefix tokens are read, the last block chooses nothing.
  const choosing = reads === 'prefix' ? tokensAfter.slice(0, -1) : tokensAfter;
  const merging = choosing.filter((left, block) => left < (choosing[block - 1] ?? tokenCount(layout))).length;
  if (overhead === undefined || overhead === 0 || merging >= choosing.length - 1) return '';
  return ` Only ${merging} of them merge${merging === 1 ? 's' : ''} tokens: choosing and merging takes as long in a block as ${formatGflops(overhead)} GFLOPs, which few removed tokens do not save.`;
}

/** By what tokens are selected, in a sentence. */
const selectionSentence = ({ selection }: Schedule, network: Network): string =>
  `Tokens are selected by ${selectionInWords(selection, network)}.`;

/** What a token is after others have been merged into it, by a rule that keeps lengths or not. */
const mergingSentence = ({ selection, merging = 'similarity' }: Schedule): string =>
  selection === undefined
    ? mergingSentences[merging]
    : 'A merged token is a mean of the patches that it stands for, weighted by attention, and attention weighs it by their number.';

const unchanged = (dtypes: readonly ExportDtype[]): string =>
  dtypes.every((dtype) => dtype === 'fp32') ? 'unchanged' : 'unchanged but for their precision where that is lower';

/** What a token is after others have been merged into it. */
const mergingSentences: Readonly<Record<MergeRule, string>> = {
  similarity: 'Tokens merge as published: to their plain mean, with sizes scaled by similarity.',
  count: 'Tokens merge to their plain mean, and sizes count patches.',
  patches: 'A merged token is the mean of the patches that it stands for, and attention weighs it by their number.',
};

/**
 * FLOPs of the compressed network, as the paper counts them and as computed; `undefined` where
 * nothing is removed.
 */
function compressedFlops({ model, schedule, method }: ModelCard): readonly [number, number] | undefined {
  const { network } = model;
  if (method !== undefined) {
    const counted = countMethodFlops(network, method.tokensPerBlock, method.work).total;
    return [counted, countGraphFlops(network, method.reducer)];
  }
  if (schedule === undefined) return undefined;
  return [countFlops(network, schedule).total, countGraphFlops(network, diffRate(schedule, network))];
}

function figures(card: ModelCard): string {
  const { model, schedule, measured = {} } = card;
  const compressed = compressedFlops(card);
  const { network } = model;
  const parts: string[] = [];
  const baseline = baselineFlops(network).total;
  const realBaseline = countGraphFlops(network);
  if (compressed === undefined) {
    parts.push(
      `${giga(baseline)} GFLOPs (multiply-accumulates) per image, ${millions(model.parameterCount)} M parameters.`,
    );
  } else {
    const counted = [
      ['as the DiffRate paper counts', baseline, compressed[0]],
      ['as computed by the graph', realBaseline, compressed[1]],
    ] as const;
    const rows = counted.map(([how, before, after]) => [
      how,
      giga(before),
      giga(after, before),
      `${(before / after).toFixed(2)}×`,
    ]);
    parts.push(table(['GFLOPs (multiply-accumulates) per image', 'original', 'this model', 'ratio'], rows));
  }
  if (schedule?.cost !== undefined) parts.push(costSentence(schedule.cost));
  const quality = qualityRows(measured);
  if (quality.length > 0) parts.push(table([measured.data ?? 'Accuracy', 'original', 'this model'], quality));
  const verdict = measured.evaluation ? answersVerdict(measured.evaluation.after) : null;
  if (verdict !== null)
    parts.push([verdict.words, ...(verdict.source === undefined ? [] : [verdict.source])].join('\n'));
  parts.push(...(measured.remarks ?? []));
  const { runs = [], machine } = measured;
  if (runs.length > 0) {
    const rows = runs.map(({ batch, device, imagesPerSecond, baselineImagesPerSecond }) => [
      device,
      String(batch),
      baselineImagesPerSecond.toFixed(1),
      imagesPerSecond.toFixed(1),
      `${(imagesPerSecond / baselineImagesPerSecond).toFixed(2)}×`,
    ]);
    const header = ['Images per second', 'batch', 'original', 'this model', 'speed-up'];
    parts.push(`${table(header, rows)}${machine === undefined ? '' : `\n\nMeasured on ${machine}.`}`);
  }
  parts.push(...precisionParts(card));
  return `## Figures\n\n${parts.join('\n\n')}`;
}

/** The files side by side; where fp32 is the only one, it has been told of already. */
function precisionParts({ precisions = [], measured = {} }: ModelCard): string[] {
  if (precisions.every(({ dtype }) => dtype === 'fp32')) return [];
  const { header, rows, remarks, devices } = precisionTable(precisions, measured);
  const [first = '', ...others] = header;
  const hasFp32 = precisions.some(({ dtype }) => dtype === 'fp32');
  const titles = [first === '' ? 'Precision' : first, ...others];
  return [
    `The files were read back and measured in turns, beside the original in fp32.${hasFp32 ? '' : ' The folder holds no fp32 file: the figures above are of the compressed network in fp32, computed in memory.'}`,
    table(titles, rows),
    ...remarks,
    devices.map((sentence) => `- ${sentence}`).join('\n'),
  ];
}

const millions = (count: number): string => (count / 1e6).toFixed(1);

/** Of a schedule that was learnt under another cost than FLOPs. */
function costSentence({ unit, value, target, device }: NonNullable<Schedule['cost']>): string {
  const where = device === undefined ? '' : `, on ${device}`;
  return `The schedule was learnt for ${formatCost(target, unit)} and costs ${formatCost(value, unit)}${where}.`;
}

function qualityRows({ evaluation }: Measured): string[][] {
  if (!evaluation) return [];
  const { before, after } = evaluation;
  return shownMetrics(after).flatMap((name) => {
    const row = qualityRow(name, before, after);
    return row === undefined ? [] : [row];
  });
}

const percent = (value: number | null): string => (value === null ? '' : `${value.toFixed(2)} %`);

/** One line; `undefined` where there is nothing to tell. */
function qualityRow(name: ShownMetric, before: Metrics, after: Metrics): string[] | undefined {
  const { objective, kl, featureDistance } = after;
  if (after[name] === null) return undefined;
  switch (name) {
    case 'top1':
      return ['top-1 accuracy', percent(before.top1), percent(after.top1)];
    case 'top5':
      return ['top-5 accuracy', percent(before.top5), percent(after.top5)];
    case 'agreement':
      return ['agreement with the original', '', percent(after.agreement)];
    case 'kl':
      return ['mean KL(original ‖ this model), nats', '', kl?.toFixed(4) ?? ''];
    case 'objective':
      return objective === null ? undefined : [objectiveLabel(objective), '', objective.value.toFixed(4)];
    case 'featureDistance':
      return ['mean 1 − cosine of the features', '', featureDistance?.toFixed(4) ?? ''];
    case 'neighbourAgreement':
      return ['images with the same nearest neighbour', '', percent(after.neighbourAgreement)];
    case 'loss':
      return undefined;
  }
}

function usage(card: ModelCard): string {
  const [first = 'fp32', ...others] = card.dtypes;
  const choice =
    others.length === 0 ? '' : ` Other precisions: ${others.map((dtype) => `\`dtype: '${dtype}'\``).join(', ')}.`;
  const { model } = card;
  return `## Use

With [transformers.js](https://huggingface.co/docs/transformers.js), in Node or in a browser (name this folder, or its repository on the hub):

\`\`\`js
${transformersCode({ model, folder: '/path/to/this/folder', dtype: first })}
\`\`\`
${choice === '' ? '' : `\n${choice.trim()}\n`}
With \`onnxruntime-node\`, or \`onnxruntime-web\` by the same calls:

\`\`\`js
${onnxRuntimeCode({ model, folder: '', dtype: first })}
\`\`\``;
}

function provenance({ model, schedule }: ModelCard): string {
  const entry = lookUpModel(model.name);
  const licence =
    entry !== undefined && isOriginal(model, entry)
      ? `${entry.licence} (that of the original weights)`
      : 'that of the weights it was made from';
  const origin = entry?.hubId ?? entry?.weightsUrl;
  const lines = [
    `- Made from: ${model.name}${origin === undefined ? '' : ` (${origin})`}`,
    ...(schedule === undefined
      ? []
      : [`- Schedule: learnt for ${schedule.model}${schedule.createdBy === '' ? '' : `, by ${schedule.createdBy}`}`]),
    `- Licence: ${licence}`,
    '- Exported by diffrate',
  ];
  return `## Origin and licence\n\n${lines.join('\n')}`;
}
