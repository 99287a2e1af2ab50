/** Table 4b: in which order a block prunes and merges, or whether it does only one of them. */
import { diffRate, reductionOrders } from '../../src/reduction/methods/diffrate.ts';
import type { ReductionOrder } from '../../src/reduction/methods/diffrate.ts';
import { tokensOf } from '../../src/reduction/network-shape.ts';
import { effectiveTokens } from '../../src/reduction/schedule.ts';
import type { KeptNumbers } from '../../src/reduction/schedule.ts';
import { evaluateAll, evaluatedColumns, evaluatedFigures, imagesInWords } from './evaluated-rows.ts';
import type { PaperExperiment } from './experiment.ts';
import { unknownRows } from './paper-figures.ts';

const names: Readonly<Record<ReductionOrder, string>> = {
  'prune-merge': 'prune, then merge (default)',
  'merge-prune': 'merge, then prune',
  'prune-only': 'prune only',
  'merge-only': 'merge only',
};

/**
 * Kept numbers with which a block that merges first merges and prunes as many tokens as one that
 * prunes first. A schedule counts what pruning leaves and then what merging leaves; here merging
 * leaves the tokens that are to be pruned.
 */
export function mergingFirst(kept: KeptNumbers, tokens: number): KeptNumbers {
  const blocks = effectiveTokens(kept, tokens);
  return {
    ...kept,
    mergeKept: blocks.map(({ tokensIn, pruneKept, tokensOut }) => tokensIn - (pruneKept - tokensOut)),
    pruneKept: blocks.map(({ tokensOut }) => tokensOut),
  };
}

/** All orders at the tokens per block of one schedule. */
export const table4b: PaperExperiment = {
  name: 'table-4b',
  title: 'Table 4b: order of pruning and merging',
  description: 'the four orders at the tokens per block of one schedule',
  options: {},
  async run(setting) {
    const { model } = setting;
    const { schedule, scheduleName, gflops } = await setting.schedule();
    const { network } = model;
    const tokens = tokensOf(network);
    const variants = reductionOrders.map((order) => {
      const kept = order === 'merge-prune' ? mergingFirst(schedule, tokens) : schedule;
      return { reducer: diffRate(kept, network, { order }), gflops };
    });
    const results = await evaluateAll(setting, model, variants, await setting.evaluationFolder());
    return {
      rowsAre: 'order',
      paperColumns: ['top-1 %'],
      ownColumns: evaluatedColumns,
      rows: results.map((result, index) => ({
        name: names[reductionOrders[index] ?? 'prune-merge'],
        paper: [null],
        own: evaluatedFigures(result),
      })),
      notes: [
        imagesInWords(results, model.name),
        `Every order leaves as many tokens per block as ${scheduleName}, which was learnt for pruning first; merging first, as many are merged and as many pruned as there.`,
        ...unknownRows('Table 4b'),
      ],
    };
  },
};
