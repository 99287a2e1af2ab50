/** Every family of networks that files can declare. A new one is a folder and a line here. */
import type { NetworkFamily } from './family.ts';
import { visionTransformerFamily } from './vision-transformer/family.ts';

/** The families, asked in this order. */
export const networkFamilies: readonly NetworkFamily[] = [visionTransformerFamily];
