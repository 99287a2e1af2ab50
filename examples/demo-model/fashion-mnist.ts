/**
 * Where Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017) is: the folder that the environment variable
 * `FASHION_MNIST` names, or the one that Debian's package `dataset-fashion-mnist` fills.
 */

import { join } from 'node:path';

const folder = process.env['FASHION_MNIST'] ?? '/usr/share/datasets/fashion-mnist';

/** The images files; their labels lie beside them. */
export const fashionMnist = {
  /** 60,000 images of 28 × 28 pixels in 10 classes. */
  training: join(folder, 'train-images-idx3-ubyte.gz'),
  /** 10,000 others. */
  test: join(folder, 't10k-images-idx3-ubyte.gz'),
};
