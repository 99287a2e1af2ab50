/** A correction of a second: a small network with random weights, and random images in memory. */
import { memoryImages } from '../../src/data/memory-images.ts';
import type { ImageSource } from '../../src/data/image-source.ts';
import { RandomGenerator } from '../../src/data/random.ts';
import type { ProgressStore } from '../../src/files/progress-store.ts';
import type { LoadedModel } from '../../src/loading/model-from-files.ts';
import type { Schedule } from '../../src/reduction/schedule.ts';
import { randomModel, smallSchedule } from '../random-network.ts';
import { narrowSizes } from '../small-networks.ts';

/** 17 tokens, 4 blocks, 7 classes. */
export const model: LoadedModel = randomModel(narrowSizes);

/** Few tokens are left, so that there is something to correct. */
export const schedule: Schedule = {
  ...smallSchedule,
  pruneKept: [17, 12, 8, 5],
  mergeKept: [14, 9, 5, 3],
  merging: 'patches',
};

/** Images of coarse random colours. */
export function colouredImages(count: number): ImageSource {
  const side = 40;
  const cell = 8;
  return memoryImages(
    Array.from({ length: count }, (_, image) => {
      const random = new RandomGenerator(image);
      const colours = Uint8Array.from({ length: 3 * (side / cell) ** 2 }, () => random.integer(256));
      const colourAt = (value: number): number => {
        const pixel = Math.floor(value / 3);
        const [row, column] = [Math.floor(pixel / side / cell), Math.floor((pixel % side) / cell)];
        return colours[3 * (row * (side / cell) + column) + (value % 3)] ?? 0;
      };
      const data = Uint8Array.from({ length: 3 * side * side }, (_value, value) => colourAt(value));
      return { data, width: side, height: side };
    }),
  );
}

/** A store in memory, and what was written to it last. */
export function memoryProgress(): ProgressStore & { text: string | undefined } {
  const store: ProgressStore & { text: string | undefined } = {
    name: 'memory',
    text: undefined,
    read: () => Promise.resolve(store.text),
    write: (text) => {
      store.text = text;
      return Promise.resolve();
    },
    remove: () => {
      store.text = undefined;
      return Promise.resolve();
    },
  };
  return store;
}
