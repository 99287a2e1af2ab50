/** What is said of images and their labels: how many, and from where. */
import type { ImageSource } from '../image-source.ts';
import type { LabelOrigin } from './evidence.ts';

/** How many images and labels there are, and where the labels come from. */
export interface ImageFacts {
  readonly name: string;
  readonly images: number;
  /** Images that have a label. */
  readonly labels: number;
  readonly labelsFrom: LabelOrigin;
}

/** The facts of a source whose labels are resolved. */
export function imageFacts({ name, images, labelling }: ImageSource): ImageFacts {
  const labels = images.filter(({ label }) => label !== undefined).length;
  return { name, images: images.length, labels, labelsFrom: labels === 0 ? 'none' : (labelling?.origin ?? 'memory') };
}

/** One line: `20 images of cats, 12 labels, from labels.csv; 8 have none`. */
export function imageLine(source: ImageSource): string {
  const { name, images, labels } = imageFacts(source);
  const how = source.labelling?.how;
  const reason = how === undefined ? '' : `, ${how}`;
  const counted = `${images} ${images === 1 ? 'image' : 'images'} of ${name}`;
  if (labels === 0) return `${counted}, no labels${source.labelling?.origin === 'none' ? reason : ''}`;
  if (labels === images) return `${counted}, ${labels} ${labels === 1 ? 'label' : 'labels'}${reason}`;
  return `${counted}, ${labels} ${labels === 1 ? 'label' : 'labels'}${reason}; ${images - labels} ${images - labels === 1 ? 'has' : 'have'} none`;
}
