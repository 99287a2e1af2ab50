import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { tokenCount } from '../../src/models/configuration.ts';
import { stageTokenCounts } from '../../src/models/hierarchical-configuration.ts';
import { findModel, lookUpModel, registry } from '../../src/models/registry.ts';
import { readTrainingConfiguration } from '../../src/training/training-configuration.ts';
import { compressibleBlocks, scheduleTarget } from '../../src/models/schedule-target.ts';

describe('registry', () => {
  it('has no name twice, aliases and hub ids included', () => {
    const names = registry.flatMap((entry) => [entry.name, ...(entry.hubId ? [entry.hubId] : []), ...entry.aliases]);
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
  });

  it.each([
    ['vit_tiny_patch16_224', 192, 12, 3, 197, 248],
    ['vit_small_patch16_224', 384, 12, 6, 197, 248],
    ['vit_base_patch16_224', 768, 12, 12, 197, 248],
    ['deit_tiny_patch16_224', 192, 12, 3, 197, 256],
    ['deit_small_patch16_224', 384, 12, 6, 197, 256],
    ['deit_base_patch16_224', 768, 12, 12, 197, 256],
    ['mae_vit_base_patch16', 768, 12, 12, 197, 256],
    ['mae_vit_large_patch16', 1024, 24, 16, 197, 256],
    ['mae_vit_huge_patch14', 1280, 32, 16, 257, 256],
  ])('%s', (name, width, depth, heads, tokens, resizeShortSide) => {
    const { configuration } = findModel(name);
    if (configuration.family !== 'vision-transformer') throw new Error('family');
    expect(configuration).toMatchObject({ width, depth, heads, hiddenWidth: 4 * width, classes: 1000 });
    expect(configuration.width % configuration.heads).toBe(0);
    expect(configuration.layerNormEpsilon).toBe(1e-6);
    expect(tokenCount(configuration)).toBe(tokens);
    expect(configuration.pool).toBe(name.startsWith('mae') ? 'mean' : 'class-token');
    expect(configuration.preprocessing).toEqual({
      resizeShortSide,
      cropSize: 224,
      interpolation: 'bicubic',
      mean: name.startsWith('vit') ? [0.5, 0.5, 0.5] : [0.485, 0.456, 0.406],
      std: name.startsWith('vit') ? [0.5, 0.5, 0.5] : [0.229, 0.224, 0.225],
    });
  });

  it('has the network of the demo as it is trained', async () => {
    const { name, configuration, packagedFolder } = findModel('vit_demo_patch2_28');
    const file = new URL(`../../${packagedFolder}/training.json`, import.meta.url);
    const trained = await readTrainingConfiguration(fileURLToPath(file));
    expect(trained.name).toBe(name);
    expect(trained.configuration).toEqual(configuration);
  });

  it('knows CAFormer-S36 by its stages', () => {
    const { configuration } = findModel('caformer_s36');
    if (configuration.family !== 'hierarchical') throw new Error('family');
    expect(stageTokenCounts(configuration)).toEqual([3136, 784, 196, 49]);
    expect(configuration.stages.map((stage) => [stage.depth, stage.width])).toEqual([
      [3, 64],
      [12, 128],
      [18, 320],
      [3, 512],
    ]);
  });

  it('finds by alias and hub id, whatever the case', () => {
    const entry = findModel('deit_tiny_patch16_224');
    for (const name of ['timm/deit_tiny_patch16_224.fb_in1k', 'FACEBOOK/deit-tiny-patch16-224', 'ViT-T-DeiT']) {
      expect(findModel(name)).toBe(entry);
    }
  });

  it.each(['', 'resnet50', '__proto__', 'constructor'])('rejects "%s" and lists what it knows', (name) => {
    expect(lookUpModel(name)).toBeUndefined();
    expect(() => findModel(name)).toThrow(DiffrateError);
    expect(() => findModel(name)).toThrow(
      /use one of vit_tiny_patch16_224, .*caformer_s36, a hub id or a model folder/,
    );
  });
});

describe('scheduleTarget', () => {
  it('gives the sizes and names of a Vision Transformer', () => {
    const target = scheduleTarget(findModel('mae_vit_huge_patch14').configuration, 'ViT-H-MAE');
    expect(target).toEqual({
      model: 'ViT-H-MAE',
      features: { width: 1280, heads: 16, hiddenWidth: 5120 },
      aliases: ['mae_vit_huge_patch14', 'ViT-H-MAE'],
      inputSize: 224,
      depth: 32,
      tokens: 257,
      hasClassToken: true,
      pool: 'mean',
    });
  });

  it('speaks of the compressed stage of a hierarchical network', () => {
    const target = scheduleTarget(findModel('caformer_s36').configuration);
    expect(target).toMatchObject({ depth: 18, tokens: 196, hasClassToken: false, pool: 'mean' });
  });
});

describe('compressibleBlocks', () => {
  it('freezes the first block, and the last where the head reads a mean', () => {
    expect(compressibleBlocks({ depth: 4, pool: 'class-token' })).toEqual([false, true, true, true]);
    expect(compressibleBlocks({ depth: 4, pool: 'mean' })).toEqual([false, true, true, false]);
    expect(compressibleBlocks({ depth: 1, pool: 'class-token' })).toEqual([false]);
  });
});
