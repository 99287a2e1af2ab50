/** Appendix E: what sorting, pruning and merging cost themselves. */
import { sum } from 'd3-array';
import { integersOption } from '../../src/cli/options.ts';
import { scopeShare } from '../../src/runtime/profile.ts';
import type { NodeTime } from '../../src/runtime/profile.ts';
import { profileCompressed } from '../compressed-profile.ts';
import { timing } from '../measurement.ts';
import type { PaperExperiment } from './experiment.ts';
import { unknownRows } from './paper-figures.ts';
import { textOption } from './paper-options.ts';

/**
 * Rows by scope of the network; pruning after attention has no operator of its own, it is what the
 * sort leaves out.
 */
const parts = {
  'sort (rank tokens by importance)': 'sort',
  'prune before attention (gather the queries)': 'gather',
  'merge (match and average)': 'merge',
  'all of it': 'reduction',
} as const;

/** Shares of the profile of the compressed network, per batch size. */
export const appendixE: PaperExperiment = {
  name: 'appendix-e',
  title: 'Appendix E: overhead of sorting, pruning and merging',
  description: 'share of a compressed forward pass in sorting, pruning and merging, from the profile',
  options: {
    batch: { type: 'string', valueHint: '1,16', description: 'batch sizes', default: '16,1' },
  },
  async run(setting) {
    const { model, session, given, progress } = setting;
    const { schedule, scheduleName } = await setting.schedule();
    const batches = integersOption('batch', textOption(given, 'batch') ?? '');
    const profiles: NodeTime[][] = [];
    for (const batch of batches) {
      progress.update(`profile of batch ${batch}`);
      profiles.push(await profileCompressed(model, schedule, batch, session));
    }
    return {
      rowsAre: 'part',
      paperColumns: ['share'],
      ownColumns: batches.flatMap((batch) => [`batch ${batch}, share`, `batch ${batch}, ms`]),
      rows: Object.entries(parts).map(([name, scope]) => ({
        name,
        paper: [null],
        own: profiles.flatMap((nodes) => {
          const share = scopeShare(nodes, scope);
          const total = sum(nodes, ({ milliseconds }) => milliseconds);
          return [`${(100 * share).toFixed(1)} %`, (share * total).toFixed(2)];
        }),
      })),
      notes: [
        `Ours: ${model.name} under ${scheduleName}, medians of ${timing.warmUp + timing.rounds} runs of every node, summed; shares of the time in nodes. Only a machine on which nothing else runs gives these figures: load slows matrix products most, so that the shares of everything else come out too low.`,
        'Where tokens are pruned before they become queries, the class token’s attention is computed ahead of attention; that counts as part of the sort. Pruning after attention costs nothing: the sort leaves these tokens out.',
        ...unknownRows('Appendix E'),
      ],
    };
  },
};
