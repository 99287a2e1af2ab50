/** From a photo to a network's input, by the browser's own means; `preprocessor_config.json` says how. */

/**
 * Decodes a photo as the browser shows it: turned as its EXIF orientation says.
 * @throws where the browser cannot decode it
 */
export const decode = (blob) => createImageBitmap(blob, { imageOrientation: 'from-image' });

/** Pixels as the network wants them: resized, cropped in the middle, RGB planes, normalised. */
export function preprocess(image, { size, do_center_crop, crop_size, image_mean, image_std }) {
  const { width, height } = do_center_crop ? crop_size : size;
  const scale = size.shortest_edge / Math.min(image.width, image.height);
  const resized = size.shortest_edge ? { width: image.width * scale, height: image.height * scale } : size;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  const left = Math.round((width - resized.width) / 2);
  const top = Math.round((height - resized.height) / 2);
  context.drawImage(image, left, top, Math.round(resized.width), Math.round(resized.height));
  const { data } = context.getImageData(0, 0, width, height);
  const plane = width * height;
  const pixels = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    for (let index = 0; index < plane; index++) {
      pixels[channel * plane + index] = (data[4 * index + channel] / 255 - image_mean[channel]) / image_std[channel];
    }
  }
  return { pixels, width, height };
}
