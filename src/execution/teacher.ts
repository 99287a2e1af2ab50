/**
 * The teacher: the plain network, asked what it answers. Answers are remembered by image, so that
 * whoever compares with them, gradients or races, asks for each only once.
 */
import { lower } from '../graph/lower.ts';
import { forward, pixelInput } from '../networks/forward.ts';
import type { Network } from '../networks/network.ts';
import { floats } from '../runtime/runtime.ts';
import type { Runtime, Session, SessionOptions } from '../runtime/runtime.ts';
import { pixelCount } from './network-session.ts';
import type { BuiltNetwork } from './network-session.ts';

/** A loaded plain network that remembers its answers. */
export class Teacher {
  readonly #session: Session;
  readonly #network: Network;
  readonly #known = new Map<string, Float32Array>();

  private constructor(session: Session, network: Network) {
    this.#session = session;
    this.#network = network;
  }

  /**
   * Loads the network.
   * @throws {DiffrateError} if the device cannot run it.
   */
  static async load(
    runtime: Runtime,
    { network, parameters }: BuiltNetwork,
    options: SessionOptions,
  ): Promise<Teacher> {
    const pixels = pixelInput(network);
    const { answer } = forward(network, pixels, { parameters, prefixOnlyLastBlock: true });
    return new Teacher(await runtime.load(lower({ answer }, [pixels]), options), network);
  }

  /**
   * Answers `[B, D]`. Images with a key are asked for one at a time, so that an answer does not
   * depend on which others were known: work that was stopped and continued gets the same ones.
   * @param pixels `[B, channels, height, width]`
   * @param keys one for each image, the same for the same pixels; without them nothing is
   *   remembered.
   */
  async answers(pixels: Float32Array, keys?: readonly string[]): Promise<Float32Array> {
    const size = pixelCount(this.#network.input);
    if (keys === undefined) return this.#ask(pixels, pixels.length / size);
    const width = this.#network.answers.size;
    const answers = new Float32Array(keys.length * width);
    for (const [image, key] of keys.entries()) {
      let answer = this.#known.get(key);
      if (answer === undefined) {
        answer = await this.#ask(pixels.subarray(image * size, (image + 1) * size), 1);
        this.#known.set(key, answer);
      }
      answers.set(answer, image * width);
    }
    return answers;
  }

  /** Frees the network. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  async #ask(pixels: Float32Array, images: number): Promise<Float32Array> {
    const { channels, height, width } = this.#network.input;
    const results = await this.#session.run({ pixel_values: floats(pixels, [images, channels, height, width]) });
    return results['answer']?.data as Float32Array;
  }
}

/** The key of an image: its file, and whether it is mirrored. */
export function imageKey(file: string, mirrored: boolean): string {
  return mirrored ? `${file} mirrored` : file;
}
