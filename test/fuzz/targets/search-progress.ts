/**
 * Target: the checkpoint of a search, which a search continues from. Losses are made up, so that a
 * whole search takes milliseconds.
 */
import { baselineFlops, flopsPerGflop } from '../../../src/cost/flops.ts';
import { memoryImages } from '../../../src/data/memory-images.ts';
import { messageOf } from '../../../src/errors.ts';
import type { Evaluator } from '../../../src/execution/evaluator.ts';
import type { BlockGradients, StepResult } from '../../../src/execution/gradient-step.ts';
import { Looks } from '../../../src/execution/looks.ts';
import { blockMasks, sourceRange } from '../../../src/execution/masks.ts';
import type { ProgressStore } from '../../../src/files/progress-store.ts';
import type { KeptNumbers } from '../../../src/reduction/schedule.ts';
import { tokenCount } from '../../../src/reduction/token-layout.ts';
import { validateSchedule } from '../../../src/reduction/validate-schedule.ts';
import { nodeRuntime } from '../../../src/runtime/node/runtime.ts';
import { presets } from '../../../src/search/presets.ts';
import { searchSchedule } from '../../../src/search/search.ts';
import type { SearchOptions } from '../../../src/search/search-options.ts';
import { smallModel, tinySizes } from '../../small-networks.ts';
import { requireSentence } from '../sentence.ts';
import { middleShare } from '../target.ts';
import type { FuzzTarget } from '../target.ts';

const model = smallModel(tinySizes);
const { network } = model;
const pixels = new Uint8Array(10 * 10 * 3).fill(90);
const images = memoryImages([{ data: pixels, width: 10, height: 10 }]);
const calibrationImages = 8;

/** Some loss that prefers later blocks to drop tokens. */
const lossOf = ({ pruneKept, mergeKept }: KeptNumbers, image: number): number =>
  [...pruneKept, ...mergeKept].reduce((sum, kept, index) => sum + ((index + 2 + (image % 3)) * (10 - kept)) ** 2, 0) /
  1e4;

/** Gradients as such a loss would have them. */
function stepOf({ pruneKept, mergeKept }: KeptNumbers): StepResult {
  const tokens = tokenCount(network.layout);
  let live = tokens;
  const gradients = pruneKept.map((prune, block): BlockGradients => {
    const masks = blockMasks(tokens, live, prune, mergeKept[block] ?? live);
    live = masks.liveAfter;
    const mask = new Float64Array(tokens).fill(-0.1 / (block + 1));
    return { block, mask, merging: mask.map((value) => value / 2), ...sourceRange(tokens, masks), masks };
  });
  return { loss: lossOf({ pruneKept, mergeKept }, 0), gradients };
}

function madeUpEvaluator(): Evaluator {
  let looks = new Looks(calibrationImages, 1);
  return {
    gradient: (kept) => Promise.resolve(stepOf(kept)),
    calibrate: (wanted) => Promise.resolve((looks = new Looks(calibrationImages, wanted))),
    losses: (kept, look) => {
      const [first, end] = looks.range(look);
      return Promise.resolve(Float64Array.from({ length: end - first }, (_, index) => lossOf(kept, first + index)));
    },
    lead: () => {},
    skipped: [],
    waitingMilliseconds: 0,
    dispose: () => Promise.resolve(),
  };
}

const { refinement } = presets['small-data'];

function optionsWith(progress: ProgressStore, stopAfter = Infinity): SearchOptions {
  let asked = 0;
  const stopping = new AbortController();
  return {
    model,
    images,
    runtime: nodeRuntime,
    target: { ratio: 0.7 },
    steps: 3,
    batchSize: 2,
    changes: refinement === undefined ? {} : { refinement: { ...refinement, leastPasses: 60, passesPerImage: 6 } },
    progress,
    resume: true,
    signal: stopping.signal,
    onWarning: requireSentence,
    createEvaluator: () => {
      const evaluator = madeUpEvaluator();
      const counted = <Answer>(answer: Answer): Answer => {
        asked += 1;
        if (asked >= stopAfter) stopping.abort();
        return answer;
      };
      return Promise.resolve({
        ...evaluator,
        gradient: (kept: KeptNumbers, batch: number) => counted(evaluator.gradient(kept, batch)),
        losses: (kept: KeptNumbers, look: number) => counted(evaluator.losses(kept, look)),
      });
    },
  };
}

/** A store in memory. */
function store(text?: string): ProgressStore & { text: string | undefined } {
  return {
    name: 'search.checkpoint',
    text,
    read() {
      return Promise.resolve(this.text);
    },
    write(written) {
      this.text = written;
      return Promise.resolve();
    },
    remove() {
      this.text = undefined;
      return Promise.resolve();
    },
  };
}

/** Progress of searches that were stopped at different places. */
async function seeds(): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const stopAfter of [2, 6, 20, Infinity]) {
    const progress = store();
    try {
      await searchSchedule({ ...optionsWith(progress, stopAfter), onWarning: () => {} });
    } catch (error) {
      if (progress.text === undefined) throw new Error(`no progress was kept: ${messageOf(error)}`, { cause: error });
    }
    found.push(new Uint8Array(Buffer.from(progress.text ?? '')));
  }
  return found;
}

/** A search that continues must end with a schedule that fits, or say why it does not. */
export const searchProgress: FuzzTarget = {
  name: 'search-progress',
  json: true,
  share: middleShare,
  seeds,
  run: async (bytes) => {
    const { schedule } = await searchSchedule(optionsWith(store(Buffer.from(bytes).toString('utf8'))));
    validateSchedule(schedule, network);
    if ((schedule.gflops ?? 0) * flopsPerGflop > baselineFlops(network).total)
      throw new Error('a schedule costs more than the network');
  },
};
