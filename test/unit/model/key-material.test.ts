import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { format, inspect } from "node:util";
import { pino } from "pino";
import { KeyMaterial } from "../../../src/model/key-material.ts";

/** Sixteen bytes that are easy to find however they are written. */
const SECRET = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const spellings = [
  Buffer.from(SECRET).toString("hex"),
  Buffer.from(SECRET).toString("base64"),
  Buffer.from(SECRET).toString("latin1"),
  [...SECRET].join(","),
  "160, 161",
  "160,\n",
  "a0 a1 a2",
];
const leaks = (text: string): boolean => spellings.some((spelling) => text.includes(spelling));

describe("key material", () => {
  it("cannot be printed, in any way that a program prints things", () => {
    using material = KeyMaterial.copyOf(SECRET);
    const lines: string[] = [];
    pino({}, { write: (line: string) => void lines.push(line) }).info(
      { material, deep: { er: [material] } },
      "%o",
      material,
    );
    const printed = {
      template: `${material as unknown as string}`,
      added: "" + (material as unknown as string),
      json: JSON.stringify({ material, list: [material] }),
      inspected: inspect(material, { showHidden: true, depth: null, getters: true }),
      nested: inspect({ material }, { showHidden: true, depth: null }),
      withoutCustomInspection: inspect(material, { showHidden: true, depth: null, customInspect: false }),
      formatted: format("%s %o %O %j %d", material, material, material, material, material),
      keys: JSON.stringify([Object.keys(material), Reflect.ownKeys(material), { ...material }]),
      cloned: inspect(structuredClone(material), { showHidden: true }),
      inAnError: inspect(new Error("failed", { cause: material }), { showHidden: true, depth: null }),
      logged: lines.join(""),
    };
    for (const [way, text] of Object.entries(printed)) assert.ok(!leaks(text), `${way}: ${text}`);
    assert.ok(leaks(inspect(SECRET)), "bytes themselves would be found");
  });

  it("is gone when its owner is done: the bytes are overwritten, then their memory is given back", () => {
    let view = new Uint8Array();
    let givenBack: Uint8Array | undefined;
    {
      using material = KeyMaterial.copyOf(SECRET);
      material.expose((bytes) => (view = bytes));
      assert.deepEqual(view, SECRET);
      view.buffer.transfer = (length) => {
        givenBack = view.slice();
        return ArrayBuffer.prototype.transfer.call(view.buffer, length);
      };
    }
    assert.deepEqual(givenBack, new Uint8Array(16));
    assert.equal(view.length, 0, "a view that somebody kept shows nothing");
  });

  it("that takes over a whole buffer copies nothing; of a part of one it keeps a copy and erases the part", () => {
    const own = SECRET.slice();
    using adopted = KeyMaterial.adopt(own);
    assert.equal(
      adopted.expose((bytes) => bytes.buffer),
      own.buffer,
    );
    const shared = new Uint8Array([...SECRET, 7]);
    using copied = KeyMaterial.adopt(shared.subarray(0, SECRET.length));
    assert.deepEqual(
      copied.expose((bytes) => [...bytes]),
      [...SECRET],
    );
    assert.deepEqual(shared, new Uint8Array([...new Uint8Array(SECRET.length), 7]));
  });

  it("that was erased says so, and can be erased again", () => {
    const material = KeyMaterial.copyOf(SECRET);
    material.erase();
    material.erase();
    assert.equal(material.erased, true);
    for (const use of [() => material.lengthBytes, () => material.expose(() => 0), () => material.slice(0, 1)]) {
      assert.throws(use, /this key material was erased/);
    }
  });

  it("is a copy of its own: moved bytes are erased at their source, parts live on alone", () => {
    const source = SECRET.slice();
    using material = KeyMaterial.moveFrom(source);
    assert.deepEqual(source, new Uint8Array(16));
    using part = material.slice(4, 8);
    material.erase();
    assert.deepEqual(
      part.expose((bytes) => [...bytes]),
      [0xa4, 0xa5, 0xa6, 0xa7],
    );
  });

  it("of any length lies outside V8's heap, where the collector leaves no copies", () => {
    for (const lengthBytes of [1, 16, 32, 64, 1024]) {
      using material = KeyMaterial.allocate(lengthBytes);
      material.expose((bytes) => {
        assert.equal(bytes.length, lengthBytes);
        assert.equal(bytes.buffer.byteLength, lengthBytes, "an ArrayBuffer of its own, not a part of a shared pool");
      });
    }
  });
});
