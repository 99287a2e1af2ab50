import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DiffrateError } from '../../src/errors.ts';
import { square } from '../../src/data/preprocessing.ts';
import { namedShape } from '../../src/networks/model.ts';
import type { Network } from '../../src/networks/network.ts';
import { networkParameters } from '../../src/networks/recorded-parameters.ts';
import { findModel, lookUpModel, registry } from '../../src/networks/registry.ts';
import { compressibleBlocks, tokensOf } from '../../src/reduction/network-shape.ts';
import { readTrainingConfiguration } from '../../src/training/training-configuration.ts';
import { networkContent } from './network-content.ts';

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
  ])('%s', (name, width, depth, heads, tokens, resized) => {
    const { network, declared, preprocessing } = findModel(name);
    expect(network).toMatchObject({
      width,
      depth,
      blocks: depth,
      span: { first: 0, end: depth },
      features: { width, heads, hiddenWidth: 4 * width },
      input: { channels: 3, height: 224, width: 224 },
      answers: { kind: 'classes', size: 1000 },
      importanceFrom: 'class-token',
      mergeOnly: false,
    });
    expect(width % heads).toBe(0);
    expect(declared?.network.hubConfiguration(() => true)).toMatchObject({ layer_norm_eps: 1e-6 });
    expect(tokensOf(network)).toBe(tokens);
    expect(network.layout.prefix).toBe(1);
    expect(network.reads).toBe(name.startsWith('mae') ? 'every-token' : 'prefix');
    expect(preprocessing).toEqual({
      resize: square(resized),
      crop: square(224),
      interpolation: 'bicubic',
      mean: name.startsWith('vit') ? [0.5, 0.5, 0.5] : [0.485, 0.456, 0.406],
      std: name.startsWith('vit') ? [0.5, 0.5, 0.5] : [0.229, 0.224, 0.225],
    });
  });

  it('has the network of the demo as it is trained', async () => {
    const { name, declared, preprocessing, packagedFolder } = findModel('vit_demo_patch2_28');
    const file = new URL(`../../${packagedFolder}/training.json`, import.meta.url);
    const trained = await readTrainingConfiguration(fileURLToPath(file));
    expect(trained.name).toBe(name);
    expect(networkContent(trained.network)).toEqual(networkContent(declared?.network as Network));
    expect(trained.preprocessing).toEqual(preprocessing);
  });

  it('knows CAFormer-S36 by its stages', () => {
    const { network, declared } = findModel('caformer_s36');
    // 3, 12, 18 and 3 blocks of 64, 128, 320 and 512 channels on 56, 28, 14 and 7 tokens a side;
    // the third stage is the span.
    expect(network).toMatchObject({
      blocks: 36,
      span: { first: 15, end: 33 },
      depth: 18,
      width: 320,
      layout: { prefix: 0, grid: [14, 14] },
      patch: { height: 16, width: 16 },
      importanceFrom: 'attention-received',
      reads: 'every-token',
      mergeOnly: true,
    });
    expect(declared).toBeUndefined();
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

describe('namedShape', () => {
  it('gives the sizes and names of a Vision Transformer', () => {
    expect(namedShape(findModel('mae_vit_huge_patch14').network, 'ViT-H-MAE')).toMatchObject({
      model: 'ViT-H-MAE',
      aliases: ['mae_vit_huge_patch14', 'ViT-H-MAE'],
      features: { width: 1280, heads: 16, hiddenWidth: 5120 },
      input: { height: 224, width: 224 },
      depth: 32,
      layout: { prefix: 1, grid: [16, 16] },
      reads: 'every-token',
    });
  });

  it('speaks of the compressed stage of a hierarchical network', () => {
    const shape = namedShape(findModel('caformer_s36').network, 'caformer_s36');
    expect(shape).toMatchObject({ depth: 18, layout: { prefix: 0 }, reads: 'every-token' });
    expect(tokensOf(shape)).toBe(196);
  });

  it('knows no other names of a network that is in no registry', () => {
    expect(namedShape(findModel('deit_tiny_patch16_224').network, 'someone/else').aliases).toEqual([]);
  });
});

describe('compressibleBlocks', () => {
  it('freezes the first block, and the last where every token is read', () => {
    expect(compressibleBlocks({ depth: 4, reads: 'prefix' })).toEqual([false, true, true, true]);
    expect(compressibleBlocks({ depth: 4, reads: 'every-token' })).toEqual([false, true, true, false]);
    expect(compressibleBlocks({ depth: 1, reads: 'prefix' })).toEqual([false]);
  });
});

describe('parameters', () => {
  const sizeOf = (network: Network): number =>
    networkParameters(network).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

  // timm's own counts, and the papers' tables.
  it.each([
    ['deit_tiny_patch16_224', 5_717_416],
    ['deit_small_patch16_224', 22_050_664],
    ['deit_base_patch16_224', 86_567_656],
    ['mae_vit_large_patch16', 304_326_632],
    ['mae_vit_huge_patch14', 632_045_800],
  ])('of %s are as many as its checkpoint has', (name, count) => {
    expect(sizeOf(findModel(name).declared?.network as Network)).toBe(count);
  });
});
