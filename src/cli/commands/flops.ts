/**
 * `diffrate flops`: the cost of a network under a schedule, block by block, as the paper counts it
 * and as really computed.
 */
import { defineCommand } from 'citty';
import { decimalsFor, formatGflops } from '../../cost/cost.ts';
import { baselineFlops, countFlops, flopsPerGflop } from '../../cost/flops.ts';
import { countGraphFlops } from '../../cost/graph-flops.ts';
import { countMethodFlops } from '../../cost/method-flops.ts';
import type { Network } from '../../networks/network.ts';
import { lookUpModel } from '../../networks/registry.ts';
import { diffRate } from '../../reduction/methods/diffrate.ts';
import { effectiveTokens, uncompressed } from '../../reduction/schedule.ts';
import { selectionInWords } from '../../reduction/selection-choice.ts';
import type { EffectiveBlock, KeptNumbers } from '../../reduction/schedule.ts';
import type { NamedMethod } from '../../reduction/methods/registry.ts';
import { tokenCount } from '../../reduction/token-layout.ts';
import { checkCompression, methodOption, resolveCompression } from '../method-option.ts';
import type { CompressedNetwork, Compression } from '../method-option.ts';
import { options } from '../options.ts';
import { formatTable, printResult } from '../output.ts';
import { selectionOf } from '../schedule-option.ts';
import { selectionOption } from '../selection-option.ts';

/** What the command prints; FLOPs are 10⁹ multiply-accumulates. */
export interface FlopsReport {
  readonly model: string;
  readonly schedule: string | null;
  /** By which rule it selects tokens, as `--selection` takes it. */
  readonly selection: string | null;
  readonly method: string | null;
  /**
   * Token numbers differ per image: those here are the most that there can be, and so are the
   * FLOPs.
   */
  readonly atMost: boolean;
  /** By the paper's count. */
  readonly gflops: number;
  /**
   * What the compressed graph computes (the plain one, without a schedule); `null` for networks
   * that cannot be built yet.
   */
  readonly realGflops: number | null;
  /** The uncompressed network by the paper's count. */
  readonly baselineGflops: number;
  readonly blocks: readonly (EffectiveBlock & { readonly gflops: number })[];
}

export const flopsCommand = defineCommand({
  meta: {
    name: 'diffrate flops',
    description: 'Cost per block, by the paper’s count and as really computed; needs no weights for a registry name',
  },
  args: {
    model: options.model,
    schedule: options.schedule,
    selection: selectionOption,
    method: methodOption,
    weights: options.weights,
    json: options.json,
  },
  run: async ({ args }) => {
    checkCompression(args);
    const network = await findNetwork(args.model, args.weights);
    const compression = await resolveCompression(args, network);
    const report = reportFlops(network, compression);
    const { named } = compression;
    const words = named && selectionInWords(named.schedule.selection, network.network);
    printResult(args.json, report, () => formatReport(report, words));
  },
});

/** A network to count. */
interface CountedModel extends CompressedNetwork {
  /** The same network as one that can be built; absent where it cannot yet. */
  readonly built: Network | undefined;
}

/** A registry name needs no weights; anything else is loaded for its sizes. */
async function findNetwork(model: string, weights: string | undefined): Promise<CountedModel> {
  const entry = weights === undefined ? lookUpModel(model) : undefined;
  if (entry !== undefined) return { ...entry, built: entry.declared?.network };
  const { resolveModel } = await import('../model-option.ts');
  const loaded = await resolveModel(model, weights);
  return { ...loaded, built: loaded.network };
}

function reportFlops({ name, network, built }: CountedModel, { named, method }: Compression): FlopsReport {
  const schedule = named?.schedule;
  const tokens = tokenCount(network.layout);
  const kept = schedule ?? (method === undefined ? uncompressed(network.depth, tokens) : keptOf(method));
  const count =
    method === undefined ? countFlops(network, kept) : countMethodFlops(network, method.tokensPerBlock, method.work);
  return {
    model: name,
    schedule: named?.scheduleName ?? null,
    selection: selectionOf(named),
    method: method?.name ?? null,
    atMost: method?.method.ragged ?? false,
    gflops: count.total / flopsPerGflop,
    realGflops: built === undefined ? null : realFlops(built, schedule, method) / flopsPerGflop,
    baselineGflops: baselineFlops(network).total / flopsPerGflop,
    blocks: effectiveTokens(kept, tokens).map((block, index) => ({
      ...block,
      gflops: (count.blocks[index] ?? 0) / flopsPerGflop,
    })),
  };
}

/** How a method gets from block to block does not matter to the count. */
function keptOf({ tokensPerBlock }: NamedMethod): KeptNumbers {
  return { pruneKept: tokensPerBlock, mergeKept: tokensPerBlock };
}

function realFlops(network: Network, schedule: KeptNumbers | undefined, method: NamedMethod | undefined): number {
  return countGraphFlops(network, method?.reducer ?? (schedule && diffRate(schedule, network)));
}

/** @param selection by what the schedule selects tokens, in words. */
function formatReport(report: FlopsReport, selection: string | undefined): string {
  const { model, schedule, method, atMost, gflops, realGflops, baselineGflops, blocks } = report;
  // Only a schedule tells pruning from merging.
  const steps = (block: EffectiveBlock): number[] => (method === null ? [block.pruneKept, block.mergeKept] : []);
  const decimals = decimalsFor(Math.max(...blocks.map((block) => block.gflops)), 4);
  const rows = blocks.map((block, index) => [
    String(index + 1),
    ...[block.tokensIn, ...steps(block), block.tokensOut].map(String),
    block.gflops.toFixed(decimals),
  ]);
  const header = [
    'block',
    'tokens in',
    ...(method === null ? ['after prune', 'after merge'] : []),
    'tokens out',
    'GFLOPs',
  ];
  return [
    `${model}, ${method ?? (schedule === null ? 'uncompressed' : `schedule ${schedule}`)}`,
    ...(selection === undefined ? [] : [`Tokens are selected by ${selection}.`]),
    ...(atMost
      ? ['Token numbers differ per image: these are the most; diffrate eval gives the mean over images.']
      : []),
    '',
    formatTable(header, rows),
    '',
    `GFLOPs (10⁹ multiply-accumulates), paper’s count: ${formatGflops(gflops, baselineGflops)} of ${formatGflops(baselineGflops)} (${((100 * gflops) / baselineGflops).toFixed(1)} %)`,
    ...(realGflops === null ? [] : [`GFLOPs really computed: ${formatGflops(realGflops)}`]),
  ].join('\n');
}
