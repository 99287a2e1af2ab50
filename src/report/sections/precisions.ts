/** The files of the model folder side by side: size, answers, speed, and where each runs well. */
import type { Measured } from '../../evaluation/measurements.ts';
import { precisionTable } from '../../exporting/measured-precision.ts';
import type { MeasuredPrecision } from '../../exporting/measured-precision.ts';
import { html } from '../html.ts';
import type { ReportSection } from '../page.ts';
import { dataTable } from '../plot.ts';

/**
 * Each precision as its file was measured.
 * @param measured the compressed network in fp32, and what all is compared with
 */
export function precisionsSection(precisions: readonly MeasuredPrecision[], measured: Measured): ReportSection {
  const { remarks, devices, ...table } = precisionTable(precisions, measured);
  const hasFp32 = precisions.some(({ dtype }) => dtype === 'fp32');
  const { data, machine } = measured;
  const where = [data, machine].filter((words) => words !== undefined).join('; ');
  return {
    id: 'precisions',
    title: 'The files, one precision beside the other',
    content: html`${dataTable(table, where === '' ? undefined : where)}
      <p>Each file was read back from disk and ran in turns with the original network, which is in fp32.</p>
      ${
        !hasFp32 &&
        html`<p>
          The folder holds no fp32 file: what is called compressed in the other sections is the compressed network in
          fp32, computed in memory.
        </p>`
      }
      ${remarks.map((remark) => html`<p><strong>${remark}</strong></p>`)}
      <ul>
        ${devices.map((sentence) => html`<li>${sentence}</li>`)}
      </ul>`,
  };
}
