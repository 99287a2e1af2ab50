/** `config.json` of the tiny network that targets damage or have beside what they damage. */

/** One block of `tinySizes`. */
export const huggingFaceConfiguration = {
  model_type: 'vit',
  architectures: ['ViTForImageClassification'],
  image_size: 6,
  patch_size: 2,
  num_channels: 3,
  hidden_size: 6,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 8,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-6,
  qkv_bias: true,
  problem_type: 'single_label_classification',
  id2label: { 0: 'a', 1: 'b', 2: 'c' },
};
