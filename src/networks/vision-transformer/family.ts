/** The family of Vision Transformers: ViT, DeiT, MAE. */
import type { NetworkFamily } from '../family.ts';
import { fromHuggingFace } from './hugging-face.ts';
import { fromTimm } from './timm.ts';

/** Reads the files of Hugging Face transformers and timm. */
export const visionTransformerFamily: NetworkFamily = { title: 'ViT, DeiT or MAE', fromHuggingFace, fromTimm };
