/** How many tokens each block prunes, merges and passes on. */
import { sum } from 'd3-array';
import { barY, dotY, lineY, ruleY } from '@observablehq/plot';
import type { Network } from '../../networks/network.ts';
import { effectiveTokens } from '../../reduction/schedule.ts';
import type { KeptNumbers } from '../../reduction/schedule.ts';
import { selectionInWords } from '../../reduction/selection-choice.ts';
import { tokenCount } from '../../reduction/token-layout.ts';
import type { ReportSection } from '../page.ts';
import { html } from '../html.ts';
import { colours, plotFigure } from '../plot.ts';
import { prefixInWords } from '../token-groups.ts';

/** What the section needs to know of a network. */
export type ReadTokens = Pick<Network, 'layout' | 'reads' | 'answers'>;

/** Kept tokens per block, for pruning and for merging. */
export function tokensSection(network: ReadTokens, schedule: KeptNumbers): ReportSection {
  const tokens = tokenCount(network.layout);
  const blocks = effectiveTokens(schedule, tokens).map((block, index) => ({ ...block, block: index + 1 }));
  const fates = blocks.flatMap(({ block, tokensIn, pruneKept, tokensOut }) => [
    { block, order: 0, fate: 'kept', tokens: tokensOut },
    { block, order: 1, fate: 'merged', tokens: pruneKept - tokensOut },
    { block, order: 2, fate: 'pruned', tokens: tokensIn - pruneKept },
  ]);
  const last = blocks.at(-1)?.tokensOut ?? tokens;
  const pruned = sum(blocks, ({ tokensIn, pruneKept }) => tokensIn - pruneKept);
  const merged = sum(blocks, ({ pruneKept, tokensOut }) => pruneKept - tokensOut);
  const x = { type: 'band', label: 'block' } as const;
  const y = { grid: true, label: 'tokens', domain: [0, tokens] } as const;
  return {
    id: 'tokens',
    title: 'Tokens per block',
    content: html`<p>
        Of ${tokens} tokens ${merged} are merged into others and ${pruned} are pruned on the way through the
        ${blocks.length} blocks; ${leftInWords(last, network)}. Tokens are selected by
        ${selectionInWords(schedule.selection, network)}.
      </p>
      <div class="plots">
        ${plotFigure({
          title: 'What becomes of the tokens in each block',
          caption:
            'A bar is as high as the number of tokens that enter the block. What is not kept is gone for all later blocks, so early steps save most.',
          description: `Stacked bars per block: tokens kept, merged away and pruned. ${tokens} tokens enter the first block, ${last} leave the last.`,
          legend: [
            { label: 'kept', colour: colours.kept },
            { label: 'merged into another', colour: colours.merged },
            { label: 'pruned', colour: colours.pruned },
          ],
          plot: {
            x,
            y,
            color: { domain: ['kept', 'merged', 'pruned'], range: [colours.kept, colours.merged, colours.pruned] },
            marks: [barY(fates, { x: 'block', y: 'tokens', fill: 'fate', order: 'order' }), ruleY([0])],
          },
          table: {
            header: ['block', 'tokens in', 'pruned', 'merged', 'tokens out'],
            rows: blocks.map(({ block, tokensIn, pruneKept, tokensOut }) => [
              block,
              tokensIn,
              tokensIn - pruneKept,
              pruneKept - tokensOut,
              tokensOut,
            ]),
          },
        })}${plotFigure({
          title: 'Kept numbers of the schedule',
          caption:
            'What pruning keeps and what merging keeps of it. Where the two lines are apart, the block merges; where the upper one falls below the block before, it prunes.',
          description: 'Two lines over the blocks: tokens kept after pruning and after merging.',
          legend: [
            { label: 'after pruning', colour: colours.pruned },
            { label: 'after merging', colour: colours.merged },
            { label: 'uncompressed', colour: colours.before },
          ],
          plot: {
            x: { ...x, type: 'point' },
            y,
            marks: [
              ruleY([tokens], { stroke: colours.before, strokeDasharray: '4 3' }),
              lineY(blocks, { x: 'block', y: 'pruneKept', stroke: colours.pruned, strokeWidth: 2 }),
              dotY(blocks, { x: 'block', y: 'pruneKept', fill: colours.pruned, r: 3 }),
              lineY(blocks, { x: 'block', y: 'mergeKept', stroke: colours.merged, strokeWidth: 2 }),
              dotY(blocks, { x: 'block', y: 'mergeKept', fill: colours.merged, r: 3 }),
              ruleY([0]),
            ],
          },
          table: {
            header: ['block', 'after pruning', 'after merging'],
            rows: blocks.map(({ block, pruneKept, mergeKept }) => [block, pruneKept, mergeKept]),
          },
        })}
      </div>`,
  };
}

function leftInWords(tokens: number, { layout: { prefix }, reads, answers }: ReadTokens): string {
  if (tokens > prefix || reads === 'every-token') return tokens > 1 ? `${tokens} are left` : 'one is left';
  const verb = prefix === 1 ? 'is' : 'are';
  const read = answers.kind === 'features' ? 'is read' : 'the classifier reads';
  return `${prefixInWords(prefix)} ${verb} left, which ${verb} all that ${read}`;
}
