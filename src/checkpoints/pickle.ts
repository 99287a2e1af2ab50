/**
 * A reader of Python pickles (opcodes of `pickletools`, protocols 2 to 5) that cannot run anything:
 * a pickle is a program whose instructions may name and call any Python function. Here a name is
 * only a name. What a call of it means is the caller's decision, name by name. Every other call
 * leaves a placeholder that remembers the name and does nothing. Work and memory are bounded by the
 * pickle's length.
 */
import { DiffrateError } from '../errors.ts';
import { PickleBytes } from './pickle-bytes.ts';

const MOST_OBJECTS = 1_000_000;

/** A Python function or class that a pickle names; nothing is loaded or called. */
export class PickleGlobal {
  /** `module.name`, such as `collections.OrderedDict`. */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * What stands for an object of a Python class that means nothing here. Items that the pickle puts
 * into it are kept, as in a dictionary, since classes of dictionaries are such objects.
 */
export class InertObject extends Map<unknown, unknown> {
  /** `module.name` of its class or of the function that would have made it. */
  readonly className: string;
  /** Whether its state has the tables of a `torch.nn.Module`. */
  isModule = false;

  constructor(className: string) {
    super();
    this.className = className;
  }
}

/** What the instructions that reach outside a pickle mean. */
export interface PickleHost {
  /**
   * The value of calling a global; called for constructors (`REDUCE`, `NEWOBJ`) as well.
   * An `InertObject` where the name means nothing.
   */
  readonly call: (name: string, values: readonly unknown[]) => unknown;
  /** The value that stands for a persistent id (PyTorch: a storage). */
  readonly persistent: (id: unknown) => unknown;
}

/** A pickle's value, and how many bytes the pickle has. */
export interface ReadPickle {
  readonly value: unknown;
  readonly length: number;
}

/**
 * Runs a pickle's instructions on plain data: dict → `Map`, list and tuple → array, set → `Set`,
 * bytes → `Uint8Array`, int → `number` (beyond 2^53 `bigint`). State given to other objects
 * (`BUILD`) is dropped.
 * @param bytes begin with the pickle; more may follow.
 * @param file the file's name for errors.
 * @throws {DiffrateError} for damaged pickles and instructions that weight files do not use.
 */
export function readPickle(bytes: Uint8Array, host: PickleHost, file: string): ReadPickle {
  return new PickleMachine(bytes, host, file).run();
}

class PickleMachine {
  readonly #input: PickleBytes;
  readonly #host: PickleHost;
  readonly #file: string;
  readonly #stack: unknown[] = [];
  /** Stack heights at which a `MARK` stands. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  #objects = 0;

  constructor(bytes: Uint8Array, host: PickleHost, file: string) {
    this.#input = new PickleBytes(bytes, file);
    this.#host = host;
    this.#file = file;
  }

  run(): ReadPickle {
    for (;;) {
      const opcode = this.#input.byte();
      if (opcode === 0x2e) return { value: this.#pop(), length: this.#input.position };
      if (!this.#literal(opcode) && !this.#container(opcode)) this.#object(opcode);
    }
  }

  /** Numbers, text, bytes. Returns whether the opcode was one of these. */
  #literal(opcode: number): boolean {
    switch (opcode) {
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4a: // BININT
        return this.#push(this.#input.view(4).getInt32(0, true));
      case 0x4b: // BININT1
        return this.#push(this.#input.byte());
      case 0x4d: // BININT2
        return this.#push(this.#input.view(2).getUint16(0, true));
      case 0x8a: // LONG1
        return this.#push(this.#input.long(this.#input.byte()));
      case 0x8b: // LONG4
        return this.#push(this.#input.long(this.#input.length(4)));
      case 0x47: // BINFLOAT
        return this.#push(this.#input.view(8).getFloat64(0, false));
      case 0x58: // BINUNICODE
        return this.#push(this.#input.text(this.#input.length(4)));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#input.text(this.#input.byte()));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#input.text(this.#input.length(8)));
      case 0x54: // BINSTRING
        return this.#push(this.#input.text(this.#input.length(4)));
      case 0x55: // SHORT_BINSTRING
        return this.#push(this.#input.text(this.#input.byte()));
      case 0x42: // BINBYTES
        return this.#pushObject(this.#input.take(this.#input.length(4)));
      case 0x43: // SHORT_BINBYTES
        return this.#pushObject(this.#input.take(this.#input.byte()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#pushObject(this.#input.take(this.#input.length(8)));
      default:
        return false;
    }
  }

  /**
   * Lists, tuples, dicts, sets, the stack and the memo. Returns whether the opcode was one of
   * these.
   */
  #container(opcode: number): boolean {
    switch (opcode) {
      case 0x80: // PROTO
        this.#input.take(1);
        return true;
      case 0x95: // FRAME
        this.#input.take(8);
        return true;
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        return true;
      case 0x30: // POP
        if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
        else this.#pop();
        return true;
      case 0x31: // POP_MARK
        this.#popMark();
        return true;
      case 0x32: // DUP
        return this.#push(this.#top());
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return this.#pushObject([]);
      case 0x6c: // LIST
      case 0x74: // TUPLE
        return this.#pushObject(this.#popMark());
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#pushObject(this.#popMany(opcode - 0x84));
      case 0x7d: // EMPTY_DICT
        return this.#pushObject(new Map());
      case 0x64: {
        // DICT
        const items = this.#popMark();
        this.#pushObject(new Map());
        return this.#setItems(items);
      }
      case 0x8f: // EMPTY_SET
        return this.#pushObject(new Set());
      case 0x91: // FROZENSET
        return this.#pushObject(new Set(this.#popMark()));
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        return this.#append(this.#popMark());
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMark());
      case 0x71: // BINPUT
        return this.#remember(this.#input.byte());
      case 0x72: // LONG_BINPUT
        return this.#remember(this.#input.view(4).getUint32(0, true));
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size);
      case 0x68: // BINGET
        return this.#recall(this.#input.byte());
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#input.view(4).getUint32(0, true));
      default:
        return false;
    }
  }

  /** Globals, calls, persistent ids: only through the host. */
  #object(opcode: number): void {
    switch (opcode) {
      case 0x63: // GLOBAL
        this.#pushGlobal(this.#input.line(), this.#input.line());
        return;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        this.#pushGlobal(module, name);
        return;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callable, values] = this.#popMany(2);
        this.#call(callable, values);
        return;
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callable, values] = this.#popMany(3);
        this.#call(callable, values);
        return;
      }
      case 0x6f: {
        // OBJ
        const [callable, ...values] = this.#popMark();
        this.#call(callable, values);
        return;
      }
      case 0x69: {
        // INST
        const callable = new PickleGlobal(`${this.#input.line()}.${this.#input.line()}`);
        this.#call(callable, this.#popMark());
        return;
      }
      case 0x62: {
        // BUILD
        const state = this.#pop();
        const target = this.#top();
        if (target instanceof InertObject) target.isModule ||= isModuleState(state);
        return;
      }
      case 0x51: // BINPERSID
        this.#push(this.#host.persistent(this.#pop()));
        return;
      default:
        throw new DiffrateError(
          `${this.#file} has a pickle instruction 0x${opcode.toString(16)} (byte ${this.#input.position - 1}) that weight files do not use: save its state_dict with torch.save or as safetensors.`,
        );
    }
  }

  #pushGlobal(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.#damaged();
    this.#push(new PickleGlobal(`${module}.${name}`));
  }

  /** The value of a call; what a placeholder is asked to do leaves the next placeholder. */
  #call(callable: unknown, values: unknown): void {
    if (!Array.isArray(values)) throw this.#damaged();
    if (callable instanceof PickleGlobal) this.#pushObject(this.#host.call(callable.name, values));
    else if (callable instanceof InertObject) this.#pushObject(new InertObject(callable.className));
    else throw this.#damaged();
  }

  #setItems(items: readonly unknown[]): true {
    const target = this.#top();
    if (items.length % 2 !== 0) throw this.#damaged();
    for (let index = 0; index < items.length; index += 2) {
      if (target instanceof Map) target.set(items[index], items[index + 1]);
    }
    return true;
  }

  #append(items: readonly unknown[]): true {
    const target = this.#top();
    for (const item of items) {
      if (Array.isArray(target)) target.push(item);
      else if (target instanceof Set) target.add(item);
    }
    return true;
  }

  #remember(key: number): true {
    this.#memo.set(key, this.#top());
    return true;
  }

  #recall(key: number): true {
    if (!this.#memo.has(key)) throw this.#damaged();
    return this.#push(this.#memo.get(key));
  }

  /** One byte of a pickle can make an object of 200 bytes, so their number is bounded, too. */
  #pushObject(value: unknown): true {
    this.#objects += 1;
    if (this.#objects > MOST_OBJECTS) {
      throw new DiffrateError(`${this.#file} holds more than ${MOST_OBJECTS} objects: save only the state_dict.`);
    }
    return this.#push(value);
  }

  #push(value: unknown): true {
    this.#stack.push(value);
    return true;
  }

  #top(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.#damaged();
    return this.#stack.at(-1);
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length - count < (this.#marks.at(-1) ?? 0)) throw this.#damaged();
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #popMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#damaged();
    return this.#stack.splice(mark);
  }

  #damaged(): DiffrateError {
    return this.#input.damaged();
  }
}

/** The tables that every `torch.nn.Module` has (`torch/nn/modules/module.py`). */
function isModuleState(state: unknown): boolean {
  const tables = Array.isArray(state) ? (state as readonly unknown[])[0] : state;
  return tables instanceof Map && tables.has('_parameters') && tables.has('_modules');
}
