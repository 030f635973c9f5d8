/**
 * Looks for key in files and texts, in every form in which it could have got there.
 *
 * Any eight bytes of a key that begin at a multiple of eight are looked for: raw, in hex of both cases, in base64 and
 * base64url at each of the three places that a byte can have in a group of four characters. Eight random bytes do not
 * turn up by chance: one in 10^9 such searches finds some.
 */
const WINDOW_BYTES = 8;
const HEAD_BYTES = 4;
const BUCKETS = 2 ** 24;

export interface Found {
  /** Which key: its place in the list that was given. */
  readonly key: number;
  readonly form: string;
  readonly at: number;
}

interface Pattern {
  readonly key: number;
  readonly form: string;
  readonly bytes: Buffer;
}

export class KeySearch {
  /** Says of most places at once that nothing begins there. */
  readonly #mayBegin = new Uint8Array(BUCKETS);
  readonly #byHead = new Map<number, Pattern[]>();

  constructor(keys: readonly Uint8Array[]) {
    for (const [key, bytes] of keys.entries()) {
      for (let from = 0; from + WINDOW_BYTES <= bytes.length; from += WINDOW_BYTES) {
        this.#add(key, Buffer.from(bytes.subarray(from, from + WINDOW_BYTES)));
      }
    }
  }

  /** The first places where key is. */
  in(text: Uint8Array | string, placesMax = 8): Found[] {
    const bytes = typeof text === "string" ? Buffer.from(text) : Buffer.from(text.buffer, text.byteOffset, text.length);
    const found: Found[] = [];
    for (let at = 0; at + HEAD_BYTES <= bytes.length && found.length < placesMax; at++) {
      const head = bytes.readUInt32LE(at);
      if (this.#mayBegin[bucketOf(head)] === 0) continue;
      for (const { key, form, bytes: wanted } of this.#byHead.get(head) ?? []) {
        if (bytes.subarray(at, at + wanted.length).equals(wanted)) found.push({ key, form, at });
      }
    }
    return found;
  }

  #add(key: number, window: Buffer): void {
    const hex = window.toString("hex");
    const forms: [form: string, bytes: Buffer][] = [
      ["raw", window],
      ["hex", Buffer.from(hex)],
      ["HEX", Buffer.from(hex.toUpperCase())],
      ...[0, 1, 2].flatMap((before): [string, Buffer][] => [
        [`base64+${before}`, base64At(window, before, "base64")],
        [`base64url+${before}`, base64At(window, before, "base64url")],
      ]),
    ];
    for (const [form, bytes] of forms) {
      const head = bytes.readUInt32LE(0);
      this.#mayBegin[bucketOf(head)] = 1;
      const same = this.#byHead.get(head);
      if (same === undefined) this.#byHead.set(head, [{ key, form, bytes }]);
      else same.push({ key, form, bytes });
    }
  }
}

/** The characters that depend on `bytes` alone, when `before` bytes stand before it in its group of three. */
function base64At(bytes: Buffer, before: number, encoding: "base64" | "base64url"): Buffer {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding);
  const first = Math.ceil((8 * before) / 6);
  const end = Math.floor((8 * (before + bytes.length)) / 6);
  return Buffer.from(text.slice(first, end));
}

const bucketOf = (head: number): number => Math.imul(head, 0x9e3779b1) >>> 8;
