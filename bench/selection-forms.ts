/**
 * Forms of the selection rule that diffrate does not have, beside the one that it has: what was
 * tried, and what it is worth, on three schedules. `docs/selection.md` quotes it. The forms
 * (`selection-form.ts`) are written plainly, on all pairs of tokens.
 */
import { spreadSample } from '../src/data/image-sample.ts';
import { openImages } from '../src/data/open-images.ts';
import { evaluateVariants } from '../src/evaluation/evaluate.ts';
import { loadModel } from '../src/loading/load-model.ts';
import { findPublishedSchedule } from '../src/reduction/published-schedules.ts';
import { tokenCount } from '../src/reduction/token-layout.ts';
import { dataPath } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { ownForm, selectionForm } from './selection-form.ts';
import type { SelectionForm } from './selection-form.ts';

const folder = process.env['FORMS_IMAGES'] ?? 'imagenet-val';
const limit = Number(process.env['FORMS_LIMIT'] ?? '320');
const networks = (
  process.env['FORMS_NETWORKS'] ?? 'deit_tiny_patch16_224,vit_tiny_patch16_224,vit_demo_patch2_28'
).split(',');
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
};

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
  description: `forms of the selection rule, KL on ${limit} images of ${folder}, of the demo's network on its own (FORMS_IMAGES, FORMS_LIMIT and FORMS_NETWORKS choose others)`,
  needs: [folder],
  async run() {
    const lines: string[] = [];
    for (const name of networks) {
      const isDemo = name.startsWith('vit_demo');
      const model = isDemo
        ? await loadModel(name)
        : await loadModel(name, { weights: dataPath(`weights/${name}.safetensors`) });
      const all = await openImages(isDemo ? demoImages : dataPath(folder));
      const images = { ...all, images: spreadSample(all, limit) };
      const { depth, layout } = model.network;
      const columns = schedules(depth, tokenCount(layout));
      lines.push(
        `| ${name} | ${Object.keys(columns).join(' | ')} |`,
        `|---|${'---|'.repeat(Object.keys(columns).length)}`,
      );
      for (const [form, changes] of Object.entries(forms)) {
        const variants = Object.values(columns).map((kept) => ({
          reducer: selectionForm(kept, model, { ...ownForm, ...changes }),
        }));
        const results = await evaluateVariants(model, variants, { images });
        lines.push(`| ${form} | ${results.map(({ kl }) => (kl ?? NaN).toFixed(4)).join(' | ')} |`);
      }
    }
    return lines;
  },
};
