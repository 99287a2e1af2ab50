/** Target: corrections, read and applied as the program does. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scheduleFingerprint, weightsFingerprint } from '../../../src/execution/fingerprints.ts';
import {
  correctedModel,
  correctionFileName,
  encodeCorrection,
  readCorrectionFile,
} from '../../../src/exporting/correction-file.ts';
import type { Schedule } from '../../../src/reduction/schedule.ts';
import { smallModel, smallWeights, tinySizes } from '../../small-networks.ts';
import { middleShare } from '../target.ts';
import type { FuzzTarget } from '../target.ts';

const model = smallModel(tinySizes);
const schedule: Schedule = {
  model: 'small',
  inputSize: 6,
  pruneKept: [10, 8, 6],
  mergeKept: [10, 7, 4],
  gflops: null,
  target: null,
  createdBy: '',
};

async function seeds(): Promise<Uint8Array[]> {
  const vectors = [...smallWeights(model.network, 2)].filter(([, { shape }]) => shape.length === 1);
  const fingerprints = {
    weights: await weightsFingerprint(model),
    schedule: await scheduleFingerprint(schedule, model.network),
  };
  const counts = { heldOutImages: 2, trainingImages: 8, steps: 4 };
  const figures = { objective: 'classDivergence', unit: 'nats', before: 0.2, after: 0.1, ...counts };
  return [vectors, vectors.slice(0, 2), []].map((some) =>
    encodeCorrection({ parameters: new Map(some), ...fingerprints, figures }),
  );
}

/** Files of corrections. */
export const correction: FuzzTarget = {
  name: 'correction',
  seeds,
  share: middleShare,
  run: async (bytes, folder) => {
    const file = join(folder, correctionFileName);
    await writeFile(file, bytes);
    await correctedModel(model, schedule, await readCorrectionFile(file), file);
  },
};
