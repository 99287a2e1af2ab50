/**
 * Forms of the selection rule that diffrate does not have, beside the one that it has: what was
 * tried, and what it is worth, on three schedules. `docs/selection.md` quotes it. The forms
 * (`selection-form.ts`) are written plainly, on all pairs of tokens; the FLOPs beside each KL are
 * those that the form would need if it were built well (`selection-form-flops.ts`).
 */
import { flopsPerGflop } from '../src/cost/flops.ts';
import { spreadSample } from '../src/data/image-sample.ts';
import type { ImageSource } from '../src/data/image-source.ts';
import { openImages } from '../src/data/open-images.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import type { LoadedModel } from '../src/loading/model-from-files.ts';
import { loadModel } from '../src/loading/load-model.ts';
import { findPublishedSchedule } from '../src/reduction/published-schedules.ts';
import { tokenCount } from '../src/reduction/token-layout.ts';
import { dataPath } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { formFlops } from './selection-form-flops.ts';
import { selectionForm } from './selection-form-reducer.ts';
import { ownForm } from './selection-form.ts';
import type { SelectionForm } from './selection-form.ts';

const folder = process.env['FORMS_IMAGES'] ?? 'imagenet-val';
const limit = Number(process.env['FORMS_LIMIT'] ?? '320');
const networks = (
  process.env['FORMS_NETWORKS'] ?? 'deit_tiny_patch16_224,vit_tiny_patch16_224,vit_demo_patch2_28'
).split(',');
const coherence = Number(process.env['FORMS_COHERENCE'] ?? ownForm.coherence);
/** Parts of names of forms; all forms where there are none. */
const only = (process.env['FORMS_ONLY'] ?? '').split(',').filter((part) => part !== '');
const demoImages = 'examples/demo-model/images/evaluation-images-idx3-ubyte.gz';

/** What each form changes. */
const forms: Readonly<Record<string, Partial<SelectionForm>>> = {
  'the rule, on all pairs': {},
  'attention of the next block as well': { next: 0.5 },
  'attention received, 30 %': { received: 0.3 },
  'attention of earlier blocks, 30 %': { earlier: 0.3 },
  'two directions (MCTF)': { twoWay: true },
  'similarity with information and size (MCTF)': { criteria: true },
  'two directions and all criteria (MCTF)': { twoWay: true, criteria: true },
  'power from 1 to 3 over depth': { power: (share) => 1 + 2 * share },
  'power from 3 to 1 over depth': { power: (share) => 3 - 2 * share },
  'weights from α^0 to α^1 over depth': { weight: (share) => share },
  'weights from α^1 to α^0 over depth': { weight: (share) => 1 - share },
  'length from 0.6 to 1 over depth': { norm: (share) => 0.6 + 0.4 * share },
  'length from 1 to 0.6 over depth': { norm: (share) => 1 - 0.4 * share },
  'sizes add up as lengths of vectors': { coherence: 1 },
  'prune what is unlike': { pruneBelow: 0.5 },
  'before attention, exact merge of queries': { attending: 'merged rows' },
  'before attention, exact merge, lengths of before': { attending: 'merged rows, lengths of before' },
  'before attention, one query per merged token': { attending: 'mean query' },
  'before attention, tokens that go do not attend': { attending: 'own query' },
};

/** Forms whose networks are in memory together: images are decoded once for all of them. */
const formsAtOnce = 7;

/** Tokens after each block: DeiT-T's published numbers, or as many in every block. */
function schedules(depth: number, tokens: number): Readonly<Record<string, readonly number[]>> {
  const even = (each: number): number[] =>
    Array.from({ length: depth }, (_, block) => tokens - each * Math.min(block, depth - 2));
  if (depth !== 12) return { '13 in each block': even(13), '20 in each block': even(20), '27 in each block': even(27) };
  const published = (target: string): readonly number[] =>
    findPublishedSchedule(`deit_tiny_patch16_224@${target}`).mergeKept;
  return { 'published 0.8': published('0.8'), '13 in each block': even(13), 'published 0.6': published('0.6') };
}

/** One line per form and network. */
export const selectionForms: Measurement = {
  name: 'selection-forms',
  description: `forms of the selection rule, KL and in brackets the real GFLOPs of the form built well, on ${limit} images of ${folder}, of the demo's network on its own (FORMS_IMAGES, FORMS_LIMIT, FORMS_NETWORKS, FORMS_ONLY and FORMS_COHERENCE choose others; a form is chosen by FORMS_IMAGES=imagenet-calibration, and imagenet-val says what it is worth)`,
  needs: [folder],
  async run() {
    const lines: string[] = [];
    for (const name of networks) {
      const isDemo = name.startsWith('vit_demo');
      const model = isDemo
        ? await loadModel(name)
        : await loadModel(name, { weights: dataPath(`weights/${name}.safetensors`) });
      const all = await openImages(isDemo ? demoImages : dataPath(folder));
      lines.push(...(await tableOf(name, model, { ...all, images: spreadSample(all, limit) })));
    }
    return lines;
  },
};

async function tableOf(name: string, model: LoadedModel, images: ImageSource): Promise<string[]> {
  const { network } = model;
  const columns = schedules(network.depth, tokenCount(network.layout));
  const heads = network.features?.heads ?? 1;
  const rows = Object.entries(forms)
    .filter(([form]) => only.length === 0 || only.some((part) => form.includes(part)))
    .map(([form, changes]) => ({ form, changed: { ...ownForm, coherence, ...changes } }));
  const lines = [
    `| ${name} | ${Object.keys(columns).join(' | ')} |`,
    `|---|${'---|'.repeat(Object.keys(columns).length)}`,
  ];
  for (let start = 0; start < rows.length; start += formsAtOnce) {
    const group = rows.slice(start, start + formsAtOnce);
    const cells = group.flatMap(({ changed }) => Object.values(columns).map((kept) => ({ kept, changed })));
    const variants = cells.map(({ kept, changed }) => ({ reducer: selectionForm(kept, model, changed) }));
    const results = await evaluateVariants(model, variants, { images });
    const printed = cells.map(({ kept, changed }, index) => {
      const gflops = formFlops(network, kept, changed, heads) / flopsPerGflop;
      return `${(results[index]?.kl ?? NaN).toFixed(4)} (${gflops.toFixed(3)})`;
    });
    const width = Object.keys(columns).length;
    lines.push(
      ...group.map(({ form }, row) => `| ${form} | ${printed.slice(row * width, (row + 1) * width).join(' | ')} |`),
    );
  }
  return lines;
}
