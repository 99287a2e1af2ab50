/** Rows, CSV and sentences of a comparison. */
import { describe, expect, it } from 'vitest';
import type { ComparisonCell, MeasuredCell } from '../../src/comparison/comparison.ts';
import type { Metrics } from '../../src/evaluation/metrics.ts';
import { comparisonCsv, comparisonTable, placementSentence } from '../../src/comparison/comparison-rows.ts';

const metrics: Metrics = {
  images: 4,
  objective: { name: 'classDivergence', value: 0.0125, unit: 'nats' },
  top1: 50,
  top5: null,
  loss: 1.5,
  agreement: 75,
  kl: 0.0125,
  featureDistance: null,
  neighbourAgreement: null,
};
const baseline = { ...metrics, agreement: 100, kl: 0, gflops: 1.258 };
const measured: MeasuredCell = {
  ...metrics,
  kind: 'measured',
  asked: 'tome',
  budget: 0.6,
  method: 'tome:r=8/8,proportional=false',
  gflops: 0.754_321,
  ragged: false,
  imagesPerSecond: 100.25,
  speedup: 1.5,
  flopsRatio: 1.6,
};
const cells: readonly ComparisonCell[] = [
  measured,
  { kind: 'missing', asked: 'evit', budget: 0.6, reason: 'out of reach: at least 0.9 GFLOPs, "say"' },
];

/** The same of an encoder, at a distance. */
const ofFeatures = (value: number, neighbourAgreement: number): Metrics => ({
  ...metrics,
  objective: { name: 'featureDistance', value, unit: '1 − cosine' },
  top1: null,
  loss: null,
  agreement: null,
  kl: null,
  featureDistance: value,
  neighbourAgreement,
});
const encoderBaseline = { ...ofFeatures(0, 100), gflops: 1.258 };
const encoderCells = [{ ...measured, ...ofFeatures(0.125, 60) }];

describe('comparisonTable', () => {
  it('has a column for each figure there is, and dashes and a note where nothing was measured', () => {
    const { header, rows, notes } = comparisonTable({ baseline, cells });
    expect(header.slice(5)).toEqual(['top-1 %', 'agreement %', 'KL', 'tokens']);
    for (const row of rows) expect(row).toHaveLength(header.length);
    expect(rows[0]).toEqual(['1', 'uncompressed', '1.258', '', '1.00×', '50.00', '100.00', '0.00000', '']);
    expect(rows[1]).toEqual(['0.6', measured.method, '0.754', '100.3', '1.50×', '50.00', '75.00', '0.01250', 'static']);
    expect(rows[2]).toEqual(['0.6', 'evit', ...Array<string>(7).fill('–')]);
    expect(notes).toEqual(['evit: out of reach: at least 0.9 GFLOPs, "say".']);
  });

  it('tells a reason once that holds at several budgets', () => {
    const missing = (budget: number, asked: string, reason: string): ComparisonCell => ({
      kind: 'missing',
      asked,
      budget,
      reason,
    });
    const { notes } = comparisonTable({
      baseline,
      cells: [...[0.8, 0.6].map((budget) => missing(budget, 'diffrate', 'no schedule.')), missing(0.6, 'ats', 'why')],
    });
    expect(notes).toEqual(['diffrate: no schedule.', 'At a budget of 0.6, ats: why.']);
  });

  it('has the distance of answers where these are no classes', () => {
    const { header, rows } = comparisonTable({ baseline: encoderBaseline, cells: encoderCells });
    expect(header.slice(5, -1)).toEqual([expect.stringContaining('cosine'), 'same neighbours %']);
    expect(rows[0]?.slice(5)).toEqual(['0.00000', '100.00', '']);
    expect(rows[1]?.slice(5)).toEqual(['0.12500', '60.00', 'static']);
  });
});

describe('comparisonCsv', () => {
  it('quotes what needs it, and has numbers in full', () => {
    const lines = comparisonCsv({ baseline, cells }).split('\r\n');
    expect(lines).toHaveLength(5);
    expect(lines[2]).toBe(
      '0.6,tome,"tome:r=8/8,proportional=false",0.754321,false,4,100.25,1.5,1.6,50,,1.5,75,0.0125,',
    );
    expect(lines[3]).toMatch(/^0\.6,evit,,.*,"out of reach: at least 0\.9 GFLOPs, ""say"""$/);
  });

  it('has columns more where answers are no classes', () => {
    const [head, , line] = comparisonCsv({ baseline: encoderBaseline, cells: encoderCells }).split('\r\n');
    expect(head).toMatch(/,kl,objective,featureDistance,neighbourAgreement,missing$/);
    expect(line).toMatch(/,,,,,,0\.125,0\.125,60,$/);
  });
});

describe('placementSentence', () => {
  const kept = { pruneKept: [5], mergeKept: [5], gflops: 0.75, agreement: 70 };
  const own = {
    ...kept,
    name: 'a.json',
    distance: 0.01,
    kl: 0.01,
    top1: 60,
    rankByDistance: 22,
    rankByKl: 22,
    rankByTop1: 3,
  };
  const ranking = {
    objective: 'classDivergence',
    budget: 0.6,
    images: 8,
    saved: 0.5,
    random: Array.from({ length: 30 }, () => ({ ...kept, distance: 0, kl: 0, top1: 0 })),
  };

  it('tells the ranks, or that there is none', () => {
    expect(placementSentence({ ...ranking, placed: [own] })).toBe(
      'DiffRate (a.json, 0.750 GFLOPs) is 22nd by KL (0.01000 nats), 3rd by top-1 (60.00 %) among 30 random schedules at a budget of 0.6, on 8 images.',
    );
    const eleventh = { ...own, rankByDistance: 11, rankByTop1: null, top1: null };
    expect(placementSentence({ ...ranking, placed: [eleventh] })).toMatch(/is 11th by KL \(0\.01000 nats\) among/);
    const encoder = { ...eleventh, kl: null, rankByKl: null };
    expect(placementSentence({ ...ranking, objective: 'featureDistance', placed: [encoder] })).toMatch(
      /is 11th by distance \(.*cosine.*: 0\.01000\) among/,
    );
    expect(placementSentence({ ...ranking, placed: [] })).toMatch(/^Among 30 random schedules .* there is no schedule/);
  });
});
