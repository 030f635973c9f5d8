/** Laws of the bytes: what arbitrary senders send, and how key is written without a string. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import { base64Length, writeBase64 } from "../../../src/api/base64.ts";
import { encodeKeyContainer } from "../../../src/api/etsi014/key-container.ts";
import { parseStrictJson } from "../../../src/api/strict-json.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import type { KeyId } from "../../../src/model/ids.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import { at, openExchange } from "./etsi014-exchange.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("base64", () => {
  test("is what everybody else's encoder writes, at any place in the buffer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(9), (bytes, place) => {
        const into = new Uint8Array(place + base64Length(bytes.length) + 3);
        const end = writeBase64(bytes, into, place);
        assert.equal(end, place + base64Length(bytes.length));
        assert.equal(Buffer.from(into.subarray(place, end)).toString(), Buffer.from(bytes).toString("base64"));
        assert.ok(into.subarray(end).every((byte) => byte === 0));
      }),
    );
  });
});

describe("the key container", () => {
  const id = "6f1d3c2a-0000-8000-8000-00000000000f" as KeyId;

  test("is JSON with each key in base64, for any number and size of keys", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 70 }), { maxLength: 5 }), (all) => {
        const body = encodeKeyContainer(all.map((bytes) => ({ id, material: KeyMaterial.copyOf(bytes) })));
        assert.deepEqual(JSON.parse(Buffer.from(body).toString()), {
          keys: all.map((bytes) => ({ key_ID: id, key: Buffer.from(bytes).toString("base64") })),
        });
      }),
    );
  });

  test("erases all material, also when it cannot be written", () => {
    const live = KeyMaterial.copyOf(bytesOf("live"));
    const dead = KeyMaterial.copyOf(bytesOf("dead"));
    dead.erase();
    assert.throws(() =>
      encodeKeyContainer([
        { id, material: live },
        { id, material: dead },
      ]),
    );
    assert.ok(live.erased);
  });
});

describe("strict JSON", () => {
  test("reads what JSON.parse reads", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        assert.deepEqual(parseStrictJson(bytesOf(text)), JSON.parse(text));
      }),
    );
  });

  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '[{"b":{"c":[],"d":{},"c":0}}]',
    '{"":1,"x":"},{\\"","":2}',
    '{"a":[{"b":1}],"c":{"a":1},"a":2}',
    '{"__proto__":1,"__proto__":2}',
  ]) {
    test(`refuses a member named twice: ${text}`, () => {
      assert.throws(
        () => parseStrictJson(bytesOf(text)),
        (error) => isQkdError(error, "REQUEST_INVALID") && /twice/.test(error.message),
      );
    });
  }

  test("accepts a name again in another object, or as a value", () => {
    for (const text of ['[{"a":1},{"a":1}]', '{"a":{"a":"a"},"b":["a","a"]}', '{"a":"a\\"","b\\\\":"a"}']) {
      assert.deepEqual(parseStrictJson(bytesOf(text)), JSON.parse(text));
    }
  });

  test("refuses values nested too deep, and bytes that are not UTF-8", () => {
    for (const bytes of [
      bytesOf("[".repeat(60_000)),
      bytesOf("[".repeat(33) + "]".repeat(33)),
      Uint8Array.of(34, 0xc0, 34),
    ]) {
      assert.throws(
        () => parseStrictJson(bytes),
        (error) => isQkdError(error, "REQUEST_INVALID"),
      );
    }
  });
});

describe("arbitrary senders", () => {
  const { ask, supply } = openExchange({ stockBytes: 1e12 });
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.json().map(bytesOf),
    fc
      .record(
        {
          number: fc.anything(),
          size: fc.anything(),
          key_IDs: fc.anything(),
          additional_slave_SAE_IDs: fc.anything(),
          extension_mandatory: fc.anything(),
          extension_optional: fc.anything(),
        },
        { requiredKeys: [] },
      )
      .map((value) => bytesOf(safeJson(value))),
  );

  test("any body gives keys or a bad request, never a crash", async () => {
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom("enc_keys", "dec_keys"), async (bytes, method) => {
        const before = supply.given.length;
        const reply = await ask("alice", at("bob", method), { body: bytes, method: "POST" });
        assert.ok(reply.status === 200 || reply.status === 400, `${reply.status}`);
        if (reply.status === 400) assert.equal(supply.given.length, before);
      }),
      { numRuns: 500 },
    );
  });

  test("any path and query gives a reply of the standard, never a crash", async () => {
    const path = fc.oneof(
      fc.string({ unit: "binary-ascii" }),
      fc
        .tuple(fc.string(), fc.constantFrom("status", "enc_keys", "dec_keys", "x"))
        .map(([id, method]) => `/api/v1/keys/${id}/${method}`),
    );
    const query = fc.oneof(
      fc.string(),
      fc.webQueryParameters(),
      fc.string().map((text) => `number=${text}&size=%2`),
    );
    await fc.assert(
      fc.asyncProperty(path, query, async (somePath, someQuery) => {
        const reply = await ask("alice", somePath, { query: someQuery });
        assert.ok([200, 400, 401, 404].includes(reply.status), `${reply.status}`);
      }),
      { numRuns: 200 },
    );
  });
});

function safeJson(value: unknown): string {
  try {
    return JSON.stringify(value, (_name, inner: unknown) => (typeof inner === "bigint" ? `${inner}` : inner)) ?? "null";
  } catch {
    return "{}";
  }
}
