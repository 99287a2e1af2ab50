/**
 * Other methods of a golden case (`methods` in its description): logits, and whatever else its
 * tensors say of each method.
 */
import { concat, less, cast, reduceSum, reshape, slice } from '../../src/graph/operators/index.ts';
import { lower } from '../../src/graph/lower.ts';
import { dimensionAt, sizeAt } from '../../src/graph/tensor.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { forward, pixelInput } from '../../src/networks/forward.ts';
import type { Weights } from '../../src/checkpoints/weights.ts';
import { parametersFromWeights } from '../../src/networks/parameters.ts';
import { pptScore, scoreVariance } from '../../src/reduction/methods/ppt.ts';
import { buildMethod, parseMethod, reductionMethods } from '../../src/reduction/methods/registry.ts';
import type { NamedMethod } from '../../src/reduction/methods/registry.ts';
import type { TokenLayout } from '../../src/reduction/token-layout.ts';
import type { TokenReducer } from '../../src/reduction/token-reducer.ts';
import { sourceOf } from '../../src/reduction/token-state.ts';
import type { TokenState } from '../../src/reduction/token-state.ts';
import { nodeRuntime } from '../../src/runtime/node/runtime.ts';
import { floats } from '../../src/runtime/runtime.ts';
import type { RuntimeTensor } from '../../src/runtime/runtime.ts';
import { goldenTensor } from './golden-case.ts';
import type { GoldenCase, GoldenMethod, Skipped } from './golden-case.ts';
import { exactly, orderedAs, relativeToLargest, sameRows } from './quantity.ts';
import type { Quantity } from './quantity.ts';

const tolerance = 1e-4;

/** Parameters of the command line by those of a description. */
const parameterNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  tome: { r: 'r', proportional_attention: 'proportional' },
  evit: { keep_rate: 'rate', blocks: 'blocks', fuse: 'fusion' },
  ppt: { r: 'r', blocks: 'blocks', threshold: 'threshold' },
  pitome: { ratio: 'ratio' },
  ats: { num_tokens: 'tokens', blocks: 'blocks', drop_tokens: 'drop' },
  gtp: {
    num_prop: 'p',
    alpha: 'alpha',
    sparsity: 'sparsity',
    graph_type: 'graph',
    num_neighbours: 'neighbours',
    token_scale: 'scale',
  },
  mctf: {
    r: 'r',
    blocks: 'blocks',
    tau_sim: 'sim',
    tau_info: 'info',
    tau_size: 'size',
    one_step_ahead: 'ahead',
    bidirection: 'bidirection',
    pooling: 'pooling',
    proportional_attention: 'proportional',
  },
  tofu: { r: 'r', ratio: 'ratio', prune_blocks: 'prune', variant: 'variant', sizes: 'sizes' },
  atc: {
    keep_rate: 'keep',
    clusters: 'clusters',
    blocks: 'blocks',
    linkage: 'linkage',
    proportional_attention: 'proportional',
  },
  dtem: { r: 'r', feat_dim: 'width' },
  kmedoids: { keep_rate: 'keep', blocks: 'blocks', iterations: 'iterations' },
  dpcknn: { keep_rate: 'keep', blocks: 'blocks', neighbours: 'neighbours' },
};

/** Blocks that prune are the first ones. */
const leading = (value: unknown): number => (value as readonly number[]).length;

/** Parameters whose values have other names, too. */
const translated: Readonly<
  Record<string, (value: unknown, method: GoldenMethod) => Readonly<Record<string, unknown>>>
> = {
  'mctf.r': (value) => (typeof value === 'number' && value < 1 ? { share: value } : { r: value }),
  // Beside a keep rate the description lists what follows from it.
  'atc.clusters': (value, { keep_rate: rate }) => (rate === undefined ? { clusters: value } : {}),
  'tofu.prune_blocks': (value) => ({ prune: leading(value) }),
  'tofu.variant': (value) => ({ variant: String(value).startsWith('third') ? 'third-party' : 'formula' }),
  'mctf.pooling': (value) => ({ pooling: ['size', 'attention', 'maximum', 'mean'][Number(value)] }),
};

/** `name:key=value,…` of a description. */
function textOf(method: GoldenMethod): string {
  const given = Object.entries(parameterNames[method.method] ?? {}).flatMap(([from, to]) => {
    const value = method[from];
    if (value === undefined) return [];
    const own = translated[`${method.method}.${from}`]?.(value, method) ?? { [to]: value };
    return Object.entries(own).map(
      ([key, each]) => `${key}=${Array.isArray(each) ? each.join('/') : String(each).toLowerCase()}`,
    );
  });
  return `${method.method}:${given.join(',')}`;
}

/** Methods whose code leaves tokens in an order of its own, on which no answer depends. */
const inAnyOrder: ReadonlySet<string> = new Set(['atc']);

/** Whether diffrate has a method. */
const isKnown = ({ method }: GoldenMethod): boolean =>
  method in parameterNames && reductionMethods.some(({ name }) => name === method);

/** Methods of a case that diffrate does not have. */
export function unknownMethods({ description: { name, methods = [] } }: GoldenCase): Skipped[] {
  return methods.flatMap((description, index) =>
    isKnown(description)
      ? []
      : [{ name: `${name}  method${index} ${description.method}`, reason: 'a method that diffrate does not have' }],
  );
}

/** Checks every method of a case that diffrate has. */
export async function checkMethods(golden: GoldenCase): Promise<Quantity[]> {
  const quantities: Quantity[] = [];
  for (const [index, description] of (golden.description.methods ?? []).entries()) {
    if (!isKnown(description)) continue;
    const text = textOf(description);
    const built = buildMethod(parseMethod(text), golden.network);
    // Where results depend on the batch, the description says on which.
    const images = goldenTensor(golden, 'pixels').shape[0] ?? 1;
    const batch = Number(description['batch'] ?? images);
    const traced = await run(golden, built, description, batch, true);
    const exported = await run(golden, built, description, batch, false);
    const prefix = `method${index}`;
    const label = (quantity: string): string => `${prefix}.${quantity} ${text}`;
    quantities.push(
      relativeToLargest(label('logits'), traced['logits'], goldenTensor(golden, `${prefix}.logits`), tolerance),
      relativeToLargest(
        label('logits (exported form)'),
        exported['logits'],
        goldenTensor(golden, `${prefix}.logits`),
        tolerance,
      ),
    );
    for (const key of ['size', 'token_scales', 'score_variance'] as const) {
      if (!golden.tensors.has(`${prefix}.${key}`)) continue;
      const name = key === 'token_scales' ? 'size' : key;
      const wanted = goldenTensor(golden, `${prefix}.${key}`);
      const found = inAnyOrder.has(description.method) ? orderedAs(wanted, traced[name]) : traced[name];
      quantities.push(relativeToLargest(label(key), found, wanted, tolerance));
    }
    for (const key of ['pruned_images', 'tokens_left', 'tokens_per_block'] as const) {
      if (!golden.tensors.has(`${prefix}.${key}`)) continue;
      quantities.push(relativeToLargest(label(key), traced[key], goldenTensor(golden, `${prefix}.${key}`), 0));
    }
    if (golden.tensors.has(`${prefix}.source`))
      quantities.push(sameRows(label('source'), traced['source'], goldenTensor(golden, `${prefix}.source`)));
    for (const block of (description['token_blocks'] ?? []) as number[]) {
      const key = `tokens.${block}`;
      const wanted = goldenTensor(golden, `${prefix}.${key}`);
      const found = inAnyOrder.has(description.method) ? orderedAs(wanted, traced[key]) : traced[key];
      quantities.push(relativeToLargest(label(key), found, wanted, tolerance));
    }
    const left = description['tokens_left'];
    if (typeof left === 'number')
      quantities.push(exactly(label('tokens left'), built.tokensPerBlock.at(-1) ?? Number.NaN, left));
    const perBlock = description['tokens_per_block'];
    if (Array.isArray(perBlock)) {
      const wanted = perBlock.filter((count, block) => count !== built.tokensPerBlock[block]).length;
      quantities.push(exactly(label('tokens per block'), wanted, 0));
    }
  }
  return quantities;
}

/** PPT's decisions, recorded while its reducer makes them. */
function recording(
  reducer: TokenReducer,
  layout: TokenLayout,
  variances: Tensor[],
  blocks: readonly number[],
): TokenReducer {
  return {
    ...reducer,
    afterAttention(block, state, view) {
      if (blocks.includes(block)) variances.push(scoreVariance(pptScore(view, layout), layout));
      return reducer.afterAttention?.(block, state, view) ?? state;
    },
  };
}

async function run(
  golden: GoldenCase,
  { reducer }: NamedMethod,
  description: GoldenMethod,
  batch: number,
  trace: boolean,
): Promise<Record<string, RuntimeTensor>> {
  const { network, weights } = golden;
  const pixels = pixelInput(network);
  const variances: Tensor[] = [];
  const isPpt = trace && description.method === 'ppt';
  const built = forward(network, pixels, {
    parameters: parametersFromWeights(new Map([...weights, ...embeddings(golden, description)]), 'the golden case'),
    reducer: isPpt ? recording(reducer, network.layout, variances, description['blocks'] as number[]) : reducer,
    trace,
    prefixOnlyLastBlock: !trace,
  });
  const outputs: Record<string, Tensor> = { logits: built.answer };
  if (trace) {
    const last = built.states.at(-1) as TokenState;
    const source = sourceOf(last);
    // Methods without sizes: a token stands for as many patches as its source map says.
    const size = last.size ?? (source && reshape(reduceSum(source, [2]), ['batch', sizeAt(source, 1), 1]));
    if (size !== undefined) outputs['size'] = size;
    if (source !== undefined) outputs['source'] = source;
    const masks = built.states.map(({ mask, features }) => {
      const counted = mask ?? cast(less(reduceSum(features, [2], true), Infinity), 'float32');
      return reshape(reduceSum(counted, [1]), [dimensionAt(counted, 0), 1]);
    });
    outputs['tokens_per_block'] = concat(masks, 1);
    for (const block of (description['token_blocks'] ?? []) as number[])
      outputs[`tokens.${block}`] = slice((built.states[block] as TokenState).features, 0, 0, 1);
    outputs['tokens_left'] = reshape(masks.at(-1) as Tensor, ['batch']);
    if (isPpt) {
      const each = variances.map((variance) => reshape(variance, ['batch', 1]));
      outputs['score_variance'] = concat(each, 1);
      outputs['pruned_images'] = concat(
        each.map((variance) => cast(less(Number(description['threshold']), variance), 'float32')),
        1,
      );
    }
  }
  const session = await nodeRuntime.load(lower(outputs, [pixels]));
  try {
    return await runInBatches(session.run.bind(session), goldenTensor(golden, 'pixels'), batch);
  } finally {
    await session.dispose();
  }
}

/** DTEM's layers of a case, by the names that diffrate has for them. */
function embeddings({ tensors }: GoldenCase, { method, feat_dim: width }: GoldenMethod): Weights {
  if (method !== 'dtem') return new Map();
  const prefix = `embedding${String(width)}.`;
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [`reduction.dtem.${name.slice(prefix.length)}`, tensor]),
  );
}

/** Runs images `batch` at a time and joins the results. */
async function runInBatches(
  runOnce: (feeds: Record<string, RuntimeTensor>) => Promise<Record<string, RuntimeTensor>>,
  pixels: RuntimeTensor,
  batch: number,
): Promise<Record<string, RuntimeTensor>> {
  const [images = 0, ...rest] = pixels.shape;
  const size = rest.reduce((product, length) => product * length, 1);
  const joined: Record<string, { shape: readonly number[]; data: number[] }> = {};
  for (let first = 0; first < images; first += batch) {
    const part = (pixels.data as Float32Array).slice(first * size, (first + batch) * size);
    const results = await runOnce({ pixel_values: floats(part, [batch, ...rest]) });
    for (const [name, { shape, data }] of Object.entries(results)) {
      const own = (joined[name] ??= { shape: [images, ...shape.slice(1)], data: [] });
      own.data.push(...Array.from(data as Iterable<number>, Number));
    }
  }
  return Object.fromEntries(
    Object.entries(joined).map(([name, { shape, data }]) => [name, floats(Float32Array.from(data), [...shape])]),
  );
}
