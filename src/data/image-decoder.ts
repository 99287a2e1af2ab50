/** Which decoder reads image files; `decode.ts` has both. */

/** `exact`: JPEGs equal Pillow's bit for bit. `fast`: quicker on large photographs. */
export type ImageDecoder = 'exact' | 'fast';
