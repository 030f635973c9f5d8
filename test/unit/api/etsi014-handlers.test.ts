/**
 * ETSI GS QKD 014 V1.1.1 as an SAE meets it; T014-nn are the points of our conformance list. T014-12 (TLS) is with the
 * tests of the server, T014-15 (a crash) with those of the store; T014-16 (the Error object) is looked at in each refusal.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { errorReply } from "../../../src/api/etsi014/replies.ts";
import { BrokenInvariant } from "../../../src/model/assert.ts";
import { QkdError } from "../../../src/model/errors.ts";
import type { KeySupply } from "../../../src/supply/key-supply.ts";
import { SMALL_LIMITS } from "../../fakes/small-key-supply.ts";
import { at, jsonOf, keysOf, openExchange, refusalOf } from "./etsi014-exchange.ts";

const enc = at("bob", "enc_keys");
const dec = at("alice", "dec_keys");
const NOT_FOUND = "one or more keys specified are not found on KME";
const UNKNOWN_ID = "00000000-0000-4000-8000-000000000000";
const idsOf = (keys: readonly { readonly key_ID: string }[]) => keys.map(({ key_ID }) => ({ key_ID }));

describe("Get status", () => {
  test("names both nodes, both SAEs and the limits, with the standard's fields and no others", async () => {
    const { ask } = openExchange({ stockBytes: 3200 });
    assert.deepEqual(jsonOf(await ask("alice", at("bob", "status"))), {
      source_KME_ID: "a",
      target_KME_ID: "b",
      master_SAE_ID: "alice",
      slave_SAE_ID: "bob",
      key_size: 256,
      stored_key_count: 100,
      max_key_count: 100_000,
      max_key_per_request: 128,
      max_key_size: 4096,
      min_key_size: 64,
      max_SAE_ID_count: 0,
    });
  });

  test("tells nothing to an SAE that may not share keys, and nothing about an unknown one", async () => {
    const { ask, log } = openExchange();
    refusalOf(await ask("mallory", at("alice", "status")), 401);
    refusalOf(await ask("alice", at("nobody", "status")), 400);
    assert.deepEqual(log.events("info"), ["SAE refused"]);
  });
});

describe("Get key", () => {
  test("T014-01 GET and POST give the same kind of container", async () => {
    const { ask } = openExchange();
    for (const reply of [
      await ask("alice", enc, { query: "number=3&size=1024" }),
      await ask("alice", enc, { body: { number: 3, size: 1024 } }),
    ]) {
      const keys = keysOf(reply);
      assert.equal(keys.length, 3);
      for (const { key, key_ID } of keys) {
        assert.equal(Buffer.from(key, "base64").length, 128);
        assert.match(key_ID, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      }
      assert.equal(reply.headers["cache-control"], "no-store");
    }
  });

  test("T014-02 nothing, an empty object, an empty body and null all mean one key of the default size", async () => {
    const { ask } = openExchange();
    for (const how of [{}, { body: {} }, { method: "POST" }, { body: { number: null, size: null } }]) {
      const [key, ...rest] = keysOf(await ask("alice", enc, how));
      assert.equal(Buffer.from(key!.key, "base64").length, 32);
      assert.equal(rest.length, 0);
    }
  });

  test("T014-03 a size that is no multiple of 8 gets the standard's sentence", async () => {
    const { ask } = openExchange();
    for (const how of [{ query: "size=257" }, { body: { size: 12 } }]) {
      assert.equal(refusalOf(await ask("alice", enc, how), 400).message, "size shall be a multiple of 8");
    }
  });

  test("T014-04 number and size outside the limits are refused with the limit; nothing is spent", async () => {
    const { ask, supply } = openExchange();
    for (const number of [0, -1, 129, 1e9]) {
      const { message, details } = refusalOf(await ask("alice", enc, { body: { number } }), 400);
      assert.equal(message, "number shall be from 1 to 128");
      assert.deepEqual(details, [{ number_unsupported: number }, { max_key_per_request: 128 }]);
      refusalOf(await ask("alice", enc, { query: `number=${number}` }), 400);
    }
    for (const size of [0, 56, 4104, -8]) {
      const { details } = refusalOf(await ask("alice", enc, { body: { size } }), 400);
      assert.deepEqual(details, [{ size_unsupported: size }, { min_key_size: 64 }, { max_key_size: 4096 }]);
    }
    assert.equal(supply.given.length, 0);
  });

  test("numbers that are no integers are refused by name", async () => {
    const { ask } = openExchange();
    for (const value of ["3", 1.5, true, [], {}]) {
      assert.equal(
        refusalOf(await ask("alice", enc, { body: { number: value } }), 400).message,
        "number shall be an integer",
      );
    }
    for (const query of ["size=", "size", "size=abc", "size=2e2", "size=0x100", "size=256.0", "size=%2532"]) {
      assert.equal(refusalOf(await ask("alice", enc, { query }), 400).message, "size shall be an integer");
    }
    assert.equal(keysOf(await ask("alice", enc, { query: "number=%33&size=%3264" })).length, 3);
  });

  test("T014-05 an unknown mandatory extension gets the standard's sentence, and no key", async () => {
    const { ask, supply } = openExchange();
    const reply = await ask("alice", enc, { body: { extension_mandatory: [{ abc_route_type: "direct" }] } });
    const { message, details } = refusalOf(reply, 400);
    assert.equal(message, "not all extension_mandatory parameters are supported");
    assert.deepEqual(details, [{ extension_mandatory_unsupported: "abc_route_type is not supported" }]);
    assert.equal(supply.given.length, 0);
    refusalOf(await ask("alice", enc, { body: { extension_mandatory: { abc: 1 } } }), 400);
    keysOf(await ask("alice", enc, { body: { extension_mandatory: [] } }));
  });

  test("T014-06 unknown optional extensions and unknown members are ignored", async () => {
    const { ask } = openExchange();
    const body = { extension_optional: [{ abc_max_age: 30_000 }], vendor_extra: { deep: [1, { a: null }] } };
    keysOf(await ask("alice", enc, { body }));
    keysOf(await ask("alice", enc, { query: "vendor=1&number=1" }));
  });

  test("a GET that carries what needs a POST is refused, not half understood", async () => {
    const { ask, supply } = openExchange();
    for (const query of [
      "additional_slave_SAE_IDs=carol",
      "extension_mandatory=x",
      "number=1&number=2",
      "number=%zz",
    ]) {
      refusalOf(await ask("alice", enc, { query }), 400);
    }
    refusalOf(await ask("alice", enc, { method: "GET", body: { number: 2 } }), 400);
    assert.equal(supply.given.length, 0);
  });

  test("T014-13 further targets are over the limit, which is 0", async () => {
    const { ask } = openExchange();
    const reply = await ask("alice", enc, { body: { additional_slave_SAE_IDs: ["carol"] } });
    assert.deepEqual(refusalOf(reply, 400).details?.[1], { max_SAE_ID_count: 0 });
    keysOf(await ask("alice", enc, { body: { additional_slave_SAE_IDs: [] } }));
    refusalOf(await ask("alice", enc, { body: { additional_slave_SAE_IDs: "carol" } }), 400);
  });

  test("T014-14 concurrent requests never give the same key", async () => {
    const { ask } = openExchange();
    const replies = await Promise.all(Array.from({ length: 50 }, () => ask("alice", enc, { query: "number=20" })));
    const keys = replies.flatMap(keysOf);
    assert.equal(new Set(keys.map(({ key_ID }) => key_ID)).size, 1000);
    assert.equal(new Set(keys.map(({ key }) => key)).size, 1000);
  });

  test("too little stock is 503 with Retry-After in whole seconds", async () => {
    const { ask, log } = openExchange({ stockBytes: 31 });
    const reply = await ask("alice", enc);
    const { message, details } = refusalOf(reply, 503);
    assert.equal(message, "insufficient amount of key material");
    assert.deepEqual(details, [{ retry_after_ms: 1500 }]);
    assert.equal(reply.headers["retry-after"], "2");
    assert.deepEqual(log.events("warn"), []);
  });

  test("where the supply knows why there is too little, the SAE is told", () => {
    const facts = { retryAfterMs: 1000, reason: "too few routes" };
    const reply = errorReply(new QkdError("KEY_SHORTAGE", "too little key", facts));
    assert.deepEqual(refusalOf(reply, 503).details, [{ retry_after_ms: 1000 }, { reason: "too few routes" }]);
  });

  test("the material is erased as soon as it is in the reply, and the reply when it is done", async () => {
    const { ask, supply } = openExchange();
    const reply = await ask("alice", enc, { query: "number=5" });
    assert.equal(supply.given.length, 5);
    assert.ok(supply.given.every(({ erased }) => erased));
    reply.erase!();
    assert.ok(reply.body.every((byte) => byte === 0));
  });
});

describe("Get key with key IDs", () => {
  test("the target gets the same keys by id, by GET for one and by POST for many", async () => {
    const { ask, supply } = openExchange();
    const [first, ...others] = keysOf(await ask("alice", enc, { query: "number=4" }));
    assert.deepEqual(keysOf(await ask("bob", dec, { query: `key_ID=${first!.key_ID}` })), [first]);
    assert.deepEqual(keysOf(await ask("bob", dec, { body: { key_IDs: idsOf(others) } })), others);
    assert.equal(supply.waiting, 0);
  });

  test("ids in capitals are the same ids; extensions of ids are ignored", async () => {
    const { ask } = openExchange();
    const [key] = keysOf(await ask("alice", enc));
    const entry = { key_ID: key!.key_ID.toUpperCase(), key_ID_extension: { any: 1 } };
    assert.deepEqual(keysOf(await ask("bob", dec, { body: { key_IDs: [entry], key_IDs_extension: {} } })), [key]);
  });

  test("T014-07 a third SAE gets 401, and the key can still be fetched by its target", async () => {
    const { ask } = openExchange();
    const [key] = keysOf(await ask("alice", enc));
    const { details } = refusalOf(await ask("carol", dec, { query: `key_ID=${key!.key_ID}` }), 401);
    assert.deepEqual(details, [{ key_ID: key!.key_ID }]);
    refusalOf(await ask("mallory", dec, { query: `key_ID=${key!.key_ID}` }), 401);
    assert.deepEqual(keysOf(await ask("bob", dec, { query: `key_ID=${key!.key_ID}` })), [key]);
  });

  test("T014-08 a key is given once: the second time it is not found", async () => {
    const { ask } = openExchange();
    const [key] = keysOf(await ask("alice", enc));
    keysOf(await ask("bob", dec, { query: `key_ID=${key!.key_ID}` }));
    const { message, details } = refusalOf(await ask("bob", dec, { query: `key_ID=${key!.key_ID}` }), 400);
    assert.equal(message, NOT_FOUND);
    assert.deepEqual(details, [{ key_ID: key!.key_ID, reason: "not_found" }]);
  });

  test("T014-09 one id that is not found refuses all, and the others stay", async () => {
    const { ask } = openExchange();
    const keys = keysOf(await ask("alice", enc, { query: "number=2" }));
    const mixed = [...idsOf(keys), { key_ID: UNKNOWN_ID }];
    assert.equal(refusalOf(await ask("bob", dec, { body: { key_IDs: mixed } }), 400).message, NOT_FOUND);
    assert.deepEqual(keysOf(await ask("bob", dec, { body: { key_IDs: idsOf(keys) } })), keys);
  });

  test("T014-11 the SAE in the path is the other one: a caller cannot name itself into a pair", async () => {
    const { ask } = openExchange();
    const [key] = keysOf(await ask("alice", enc));
    refusalOf(await ask("mallory", at("bob", "dec_keys"), { query: `key_ID=${key!.key_ID}` }), 401);
    refusalOf(await ask("alice", dec, { query: `key_ID=${key!.key_ID}` }), 401);
  });

  test("malformed key IDs are a bad request that names the field", async () => {
    const { ask } = openExchange();
    for (const body of [
      {},
      [],
      { key_IDs: [] },
      { key_IDs: UNKNOWN_ID },
      { key_IDs: [UNKNOWN_ID] },
      { key_IDs: [{ key_ID: "no-uuid" }] },
      { key_IDs: [{ key_ID: 7 }] },
      { key_IDs: [{ key_ID: UNKNOWN_ID }, { key_ID: UNKNOWN_ID }] },
      { key_IDs: Array.from({ length: 129 }, () => ({ key_ID: UNKNOWN_ID })) },
    ]) {
      assert.match(refusalOf(await ask("bob", dec, { body }), 400).message, /key_ID|key IDs/);
    }
    for (const query of ["", "key_IDs=1", "key_ID=", `key_ID=${UNKNOWN_ID}&key_ID=${UNKNOWN_ID}`]) {
      assert.match(refusalOf(await ask("bob", dec, { query }), 400).message, /key_ID/);
    }
  });
});

describe("HTTP around it", () => {
  test("T014-10 an SAE id in the path is percent-decoded exactly once", async () => {
    const { ask } = openExchange();
    for (const id of ["site/7:x", "100%25"]) {
      const { slave_SAE_ID } = jsonOf<{ slave_SAE_ID: string }>(await ask("alice", at(id, "status")));
      assert.equal(slave_SAE_ID, id);
    }
    for (const id of ["%", "%ff", "%zz", "%00", "x".repeat(301)]) {
      assert.match(refusalOf(await ask("alice", `/api/v1/keys/${id}/status`), 400).message, /SAE ID in the path/);
    }
  });

  test("T014-17 application/json is accepted with its charset; other content types are 415", async () => {
    const { ask } = openExchange();
    for (const contentType of ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"']) {
      keysOf(await ask("alice", enc, { body: {}, contentType }));
    }
    for (const contentType of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/json; charset=latin1",
      undefined,
    ]) {
      refusalOf(await ask("alice", enc, { body: {}, contentType }), 415);
    }
    keysOf(await ask("alice", enc, { contentType: "text/plain" }));
  });

  test("T014-18 a trailing slash is another path, and a member named twice is refused", async () => {
    const { ask, supply } = openExchange();
    refusalOf(await ask("alice", `${enc}/`), 404);
    const twice = new TextEncoder().encode('{"number":1,"n\\u0075mber":100}');
    assert.match(refusalOf(await ask("alice", enc, { body: twice }), 400).message, /member "number" twice/);
    assert.equal(supply.given.length, 0);
  });

  test("other paths are 404 with the paths that there are", async () => {
    const { ask, outcomes } = openExchange();
    for (const path of [
      "/",
      "",
      "/api/v1/keys",
      "/api/v1/keys/bob",
      "/api/v1/keys//status",
      "/api/v1/keys/bob/keys",
      "/API/v1/keys/bob/status",
    ]) {
      assert.match(refusalOf(await ask("alice", path), 404).message, /enc_keys/);
    }
    assert.ok(outcomes.every(({ method, forKey }) => method === "other" && !forKey));
  });

  test("other methods are 405 with Allow; HEAD is one of them, because it would spend keys", async () => {
    const { ask, supply } = openExchange();
    for (const method of ["HEAD", "PUT", "DELETE", "OPTIONS"]) {
      const reply = await ask("alice", enc, { method });
      refusalOf(reply, 405);
      assert.equal(reply.headers["allow"], "GET, POST");
    }
    assert.equal((await ask("alice", at("bob", "status"), { method: "POST" })).headers["allow"], "GET");
    assert.equal(supply.given.length, 0);
  });

  test("a body that is not JSON is 400 with a reason that does not quote it", async () => {
    const { ask } = openExchange();
    for (const text of ["{", "number=3", '{"number":1}}', "null", "[]", "3", '"x"']) {
      const { message } = refusalOf(await ask("alice", enc, { body: new TextEncoder().encode(text) }), 400);
      assert.match(message, /not JSON|shall be a JSON object/);
    }
    refusalOf(await ask("alice", enc, { body: Uint8Array.of(0x22, 0xff, 0x22) }), 400);
  });
});

describe("trouble of ours", () => {
  test("other failures are 503 with a constant body, and a line in the log", async () => {
    const { ask, supply, log, outcomes } = openExchange();
    supply.failNext(new QkdError("PEER_UNREACHABLE", "no session with secret-node", { node: "secret-node" }));
    const { message, details } = refusalOf(await ask("alice", enc), 503);
    assert.equal(message, "key data access error");
    assert.equal(details, undefined);
    assert.deepEqual(log.events("warn"), ["request failed"]);
    assert.deepEqual(
      outcomes.map(({ method, result, status }) => [method, result, status]),
      [["enc_keys", "peer_unreachable", 503]],
    );
  });

  test("a broken invariant is not swallowed", async () => {
    const { ask, supply } = openExchange();
    supply.failNext(new BrokenInvariant("a pad byte is used once"));
    await assert.rejects(ask("alice", enc), BrokenInvariant);
    supply.failNext(new TypeError("undefined is not a function"));
    await assert.rejects(ask("bob", dec, { query: `key_ID=${UNKNOWN_ID}` }), TypeError);
  });

  const endless: KeySupply = {
    limits: SMALL_LIMITS,
    status: () => {
      throw new Error("not asked");
    },
    encryptionKeys: (_request, deadline) =>
      new Promise((_resolve, reject) => {
        deadline.addEventListener("abort", () => reject(deadline.reason as Error));
      }),
    decryptionKeys: () => Promise.reject(new Error("not asked")),
  };

  test("a supply that waits is told when the time allowed is over, and no timer stays", async () => {
    let fire: (() => void) | undefined;
    const clock = {
      wall: () => 0,
      monotonic: () => 0,
      sleep: () => Promise.reject(new Error("not asked")),
      timeout: () => new AbortController().signal,
      after: (durationMs: number, then: () => void) => {
        assert.equal(durationMs, 2000);
        fire = then;
        return () => (fire = undefined);
      },
    };
    const { ask } = openExchange({ supply: endless, clock });
    const waiting = ask("alice", enc);
    fire?.();
    assert.equal(refusalOf(await waiting, 503).message, "key data access error");
    assert.equal(fire, undefined);
  });

  test("a supply that waits is told when the SAE is gone, also when it was gone before", async () => {
    const { ask, outcomes } = openExchange({ supply: endless });
    const gone = new AbortController();
    const waiting = ask("alice", enc, { deadline: gone.signal });
    gone.abort();
    refusalOf(await waiting, 503);
    assert.equal(outcomes[0]?.result, "cancelled");
  });
});
