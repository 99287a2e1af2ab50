/** What the written files weigh, beside the checkpoint that they were made from. */
import { html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { dataTable } from '../plot.ts';

/** A file and its size. */
export interface SizedFile {
  readonly path: string;
  readonly bytes: number;
}

/** The original's weights; `null` bytes where the file is not at hand. */
export interface OriginalCheckpoint {
  /** Where they come from, in words. */
  readonly name: string;
  readonly bytes: number | null;
  /** Numbers that the network reads from it. */
  readonly parameterCount: number;
}

/** Sizes of all files. */
export function filesSection(original: OriginalCheckpoint, files: readonly SizedFile[]): ReportSection {
  const { name, parameterCount } = original;
  const bytes = original.bytes ?? 4 * parameterCount;
  const what =
    original.bytes === null
      ? `original (${name}): ${(parameterCount / 1e6).toFixed(2)} M parameters in fp32`
      : `original checkpoint, ${name}`;
  const isModel = ({ path }: SizedFile): boolean => /\.onnx(?:_data)?$/.test(path);
  const models = files.filter(isModel);
  const others = files.filter((file) => !isModel(file));
  const otherBytes = others.reduce((sum, file) => sum + file.bytes, 0);
  return {
    id: 'files',
    title: 'Size of the files',
    content: html`${dataTable({
        header: ['file', 'MB', 'of the original'],
        rows: [
          [what, megabytes(bytes), ''],
          ...models.map((file) => [file.path, megabytes(file.bytes), `${((100 * file.bytes) / bytes).toFixed(1)} %`]),
          ...(others.length === 0 ? [] : [[others.map(({ path }) => path).join(', '), megabytes(otherBytes), '']]),
        ],
      })}
      <p>
        MB are 10⁶ bytes. Removing tokens removes no weights: a file is smaller than the original where its precision is
        lower, and larger where the original’s was. One precision is loaded at a time, with the small files beside it.
      </p>`,
  };
}

/** With as many decimals as say something. */
function megabytes(bytes: number): string {
  const value = bytes / 1e6;
  return value.toFixed(value < 0.1 ? 4 : value < 10 ? 2 : 1);
}
