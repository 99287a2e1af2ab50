/** `diffrate flops`: the cost of a network under a schedule, block by block, as the paper counts it and as really computed. */
import { defineCommand } from 'citty';
import { flopsCost, countModelFlops } from '../../cost/flops-cost.ts';
import { baselineRealFlops, countRealFlops } from '../../cost/real-flops.ts';
import { lookUpModel } from '../../models/registry.ts';
import type { ModelConfiguration } from '../../models/registry.ts';
import { scheduleTarget } from '../../models/schedule-target.ts';
import { effectiveTokens, uncompressed } from '../../reduction/schedule.ts';
import type { EffectiveBlock, KeptNumbers } from '../../reduction/schedule.ts';
import { options } from '../options.ts';
import { formatNumber, formatTable, printResult } from '../output.ts';
import { resolveSchedule } from '../schedule-option.ts';
import type { NamedSchedule } from '../schedule-option.ts';

/** What the command prints; FLOPs are 10⁹ multiply-accumulates. */
export interface FlopsReport {
  readonly model: string;
  readonly schedule: string | null;
  /** By the paper's count. */
  readonly gflops: number;
  /** What the compressed graph computes (the plain one, without a schedule); `null` for hierarchical networks. */
  readonly realGflops: number | null;
  /** The uncompressed network by the paper's count. */
  readonly baselineGflops: number;
  readonly blocks: readonly (EffectiveBlock & { readonly gflops: number })[];
}

interface NamedNetwork {
  readonly name: string;
  readonly configuration: ModelConfiguration;
}

export const flopsCommand = defineCommand({
  meta: {
    name: 'diffrate flops',
    description: 'Cost per block, by the paper’s count and as really computed; needs no weights for a registry name',
  },
  args: { model: options.model, schedule: options.schedule, weights: options.weights, json: options.json },
  run: async ({ args }) => {
    const network = await findNetwork(args.model, args.weights);
    const report = reportFlops(network, await resolveSchedule(args.schedule, network));
    printResult(args.json, report, () => formatReport(report));
  },
});

/** A registry name needs no weights; anything else is loaded for its sizes. */
async function findNetwork(model: string, weights: string | undefined): Promise<NamedNetwork> {
  const entry = weights === undefined ? lookUpModel(model) : undefined;
  if (entry !== undefined) return entry;
  const { resolveModel } = await import('../model-option.ts');
  return resolveModel(model, weights);
}

function reportFlops({ name, configuration }: NamedNetwork, named: NamedSchedule | undefined): FlopsReport {
  const schedule = named?.schedule;
  const { depth, tokens } = scheduleTarget(configuration);
  const kept = schedule ?? uncompressed(depth, tokens);
  const count = countModelFlops(configuration, kept);
  return {
    model: name,
    schedule: named?.scheduleName ?? null,
    gflops: count.total / 1e9,
    realGflops: realFlops(configuration, schedule),
    baselineGflops: flopsCost(configuration).baseline,
    blocks: effectiveTokens(kept, tokens).map((block, index) => ({
      ...block,
      gflops: (count.blocks[index] ?? 0) / 1e9,
    })),
  };
}

function realFlops(configuration: ModelConfiguration, schedule: KeptNumbers | undefined): number | null {
  if (configuration.family === 'hierarchical') return null;
  return (
    (schedule === undefined ? baselineRealFlops(configuration) : countRealFlops(configuration, schedule)).total / 1e9
  );
}

function formatReport(report: FlopsReport): string {
  const { model, schedule, gflops, realGflops, baselineGflops, blocks } = report;
  const rows = blocks.map((block, index) => [
    String(index),
    ...[block.tokensIn, block.pruneKept, block.mergeKept, block.tokensOut].map(String),
    formatNumber(block.gflops, 4),
  ]);
  return [
    `${model}, ${schedule === null ? 'uncompressed' : `schedule ${schedule}`}`,
    '',
    formatTable(['block', 'tokens in', 'after prune', 'after merge', 'tokens out', 'GFLOPs'], rows),
    '',
    `GFLOPs (10⁹ multiply-accumulates), paper’s count: ${formatNumber(gflops, 3)} of ${formatNumber(baselineGflops, 3)} (${((100 * gflops) / baselineGflops).toFixed(1)} %)`,
    ...(realGflops === null ? [] : [`GFLOPs really computed: ${formatNumber(realGflops, 3)}`]),
  ].join('\n');
}
