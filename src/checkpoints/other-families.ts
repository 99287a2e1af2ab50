/**
 * What a checkpoint is that no network here fits, where its names leave no doubt. The marks are
 * names that only the family has (Hugging Face transformers, timm, OpenAI, PEFT).
 */

/** A family that is known by its names alone. */
export interface OtherFamily {
  readonly family: string;
  /** The name that says so. */
  readonly name: string;
}

const MARKS: readonly (readonly [family: string, mark: RegExp])[] = [
  ['a LoRA adapter, not merged into its base model', /\.lora_[AB]\./],
  ['a checkpoint of DINOv2', /(?:^|\.)(?:layer\.\d+\.layer_scale1\.lambda1|register_tokens)$/],
  [
    'a checkpoint of Swin',
    /(?:^|\.)attn\.relative_position_bias_table$|attention\.self\.relative_position_bias_table$/,
  ],
  ['a checkpoint of BEiT', /(?:^|\.)blocks\.\d+\.gamma_1$|encoder\.layer\.\d+\.lambda_1$/],
  [
    'a checkpoint of CLIP with its text part',
    /(?:^|\.)(?:text_model\.embeddings\.token_embedding|token_embedding)\.weight$/,
  ],
  ['a checkpoint of CLIP', /(?:^|\.)(?:visual\.class_embedding|vision_model\.embeddings\.class_embedding)$/],
  ['a checkpoint of SigLIP', /(?:^|\.)(?:vision_model\.head\.probe|attn_pool\.latent)$/],
  ['a convolutional network', /(?:^|\.)(?:layer1\.0\.conv1|stages\.0\.(?:blocks\.)?0\.conv_dw|bn1)\.weight$/],
  ['a language model', /(?:^|\.)(?:embed_tokens|wte)\.weight$/],
];

/** The family that some name belongs to; `undefined` where none is certain. */
export function otherFamily(names: readonly string[]): OtherFamily | undefined {
  for (const [family, mark] of MARKS) {
    const name = names.find((one) => mark.test(one));
    if (name !== undefined) return { family, name };
  }
  return undefined;
}
