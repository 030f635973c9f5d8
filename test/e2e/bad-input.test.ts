/** What SAEs and strangers may get wrong at a running node: a clear answer each, and nothing is lost by it. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { parseSaeId } from "../../src/model/ids.ts";
import { openNetwork, type Network } from "./network.ts";
import { idsOf, type Answer, type GivenKey, type SaeClient } from "./sae-client.ts";

const JSON_TYPE = { "content-type": "application/json" };
const ENC = "/api/v1/keys/sae-south/enc_keys";
const DEC = "/api/v1/keys/sae-north/dec_keys";
const NOT_FOUND = "one or more keys specified are not found on KME";

type Ask = (sae: SaeClient) => Promise<Answer>;

/** What `sae-north` asks, and what it is told; the strings of ETSI GS QKD 014 V1.1.1 to the letter. */
const REFUSED: readonly (readonly [what: string, ask: Ask, status: number, message: string | RegExp])[] = [
  ["an SAE that nobody knows", (sae) => sae.enc("sae-nobody"), 400, "the SAE in the path is not known to this KME"],
  ["a pair that is not allowed", (sae) => sae.enc("sae-lonely"), 401, /may not share keys/],
  [
    "the status of a pair that is not allowed",
    (sae) => sae.ask("/api/v1/keys/sae-lonely/status"),
    401,
    /may not share keys/,
  ],
  ["keys to share with itself", (sae) => sae.enc("sae-north"), 401, /may not share keys/],
  [
    "a size that is no multiple of 8",
    (sae) => sae.enc("sae-south", { size: 257 }),
    400,
    "size shall be a multiple of 8",
  ],
  ["the same by GET", (sae) => sae.enc("sae-south", { size: 257 }, "GET"), 400, "size shall be a multiple of 8"],
  ["a size too small", (sae) => sae.enc("sae-south", { size: 56 }), 400, "size shall be from 64 to 4096"],
  ["a size too large", (sae) => sae.enc("sae-south", { size: 4104 }, "GET"), 400, "size shall be from 64 to 4096"],
  ["no key at all", (sae) => sae.enc("sae-south", { number: 0 }), 400, "number shall be from 1 to 128"],
  ["less than no key", (sae) => sae.enc("sae-south", { number: -1 }, "GET"), 400, "number shall be from 1 to 128"],
  ["too many keys", (sae) => sae.enc("sae-south", { number: 129 }), 400, "number shall be from 1 to 128"],
  ["half a key", (sae) => sae.enc("sae-south", { number: 0.5 }), 400, "number shall be an integer"],
  ["a number that is none", (sae) => sae.ask(`${ENC}?number=two`), 400, "number shall be an integer"],
  ["a number given twice", (sae) => sae.ask(`${ENC}?number=1&number=2`), 400, /given twice/],
  [
    "a mandatory extension",
    (sae) => sae.post(ENC, { extension_mandatory: [{ abc_route_type: "direct" }] }),
    400,
    "not all extension_mandatory parameters are supported",
  ],
  ["further SAEs", (sae) => sae.post(ENC, { additional_slave_SAE_IDs: ["sae-other"] }), 400, /are not supported/],
  ["a body that is no JSON", (sae) => sae.ask(ENC, posted('{"number":')), 400, /JSON/],
  ["a body that is no object", (sae) => sae.ask(ENC, posted("[1]")), 400, "a key request shall be a JSON object"],
  ["a member twice", (sae) => sae.ask(ENC, posted('{"number":1,"number":2}')), 400, /twice|duplicate/i],
  ["a body of no character set", (sae) => sae.ask(ENC, posted(Buffer.from([0x7b, 0xff, 0x7d]))), 400, /UTF-8/],
  ["too large a body", (sae) => sae.ask(ENC, posted(`{"x":"${"y".repeat(70_000)}"}`)), 413, /at most 65536 bytes/],
  [
    "another content type",
    (sae) => sae.ask(ENC, { method: "POST", body: "{}", headers: { "content-type": "text/plain" } }),
    415,
    /application\/json/,
  ],
  ["no content type", (sae) => sae.ask(ENC, { method: "POST", body: "{}" }), 415, /application\/json/],
  ["a GET with a body", (sae) => sae.ask(ENC, { ...posted("{}"), method: "GET" }), 400, /no body/],
  ["to delete keys", (sae) => sae.ask(ENC, { method: "DELETE" }), 405, "allowed here: GET, POST"],
  ["a status by POST", (sae) => sae.ask("/api/v1/keys/sae-south/status", { method: "POST" }), 405, "allowed here: GET"],
  ["another path", (sae) => sae.ask("/api/v1/keys/sae-south/keys"), 404, /no such path/],
  ["a path with a slash behind", (sae) => sae.ask(`${ENC}/`), 404, /no such path/],
  ["an SAE id that is malformed", (sae) => sae.ask("/api/v1/keys/%zz/enc_keys"), 400, /malformed/],
];

describe("what is wrong with a request", () => {
  let network: Network;
  let north: SaeClient;
  let south: SaeClient;
  let other: SaeClient;

  before(async () => {
    network = await openNetwork();
    north = network.sae("sae-north");
    south = network.sae("sae-south");
    other = network.sae("sae-other");
    await network.filled();
  });
  after(() => network?.close());

  const stored = async (): Promise<number> => Number((await north.status("sae-south"))["stored_key_count"]);

  /** Of all pools of all nodes; those of links grow all the time. */
  async function poolLedgers(): Promise<unknown> {
    const all = await Promise.all(Object.values(network.nodes).map((node) => node.status()));
    return all.map(({ node, ledger }) => [node, ledger.filter(({ owner }) => !owner.startsWith("link/"))]);
  }

  /** Asks for something that is refused, and finds every account of every pool as before. */
  async function assertNothingLost(doing: () => Promise<void>): Promise<void> {
    const [ledgers, count] = [await poolLedgers(), await stored()];
    await doing();
    assert.deepEqual(await poolLedgers(), ledgers);
    assert.equal(await stored(), count);
  }

  function assertRefused(answer: Answer, status: number, message: string | RegExp): void {
    assert.equal(answer.status, status, answer.text);
    assert.match(String(answer.headers["content-type"]), /^application\/json/);
    const body = JSON.parse(answer.text) as { message: string; details?: object[] };
    if (typeof message === "string") assert.equal(body.message, message);
    else assert.match(body.message, message);
    for (const detail of body.details ?? []) assert.equal(typeof detail, "object");
  }

  it("is said for each, in the standard's words, and no key is lost by any of them", async (test) => {
    await assertNothingLost(async () => {
      for (const [what, ask, status, message] of REFUSED) {
        await test.test(`asked for ${what}: ${status}`, async () => assertRefused(await ask(north), status, message));
      }
    });
    const keys = await north.newKeys("sae-south");
    assert.deepEqual(await south.copies("sae-north", idsOf(keys)), keys, "a good request still works");
  });

  it("a HEAD request would spend keys and show nobody, so it is refused", async () => {
    await assertNothingLost(async () => assert.equal((await north.ask(ENC, { method: "HEAD" })).status, 405));
  });

  it("unknown, foreign, spent and malformed key ids are told apart, and good ids beside them stay good", async () => {
    const [spent, ...good] = (await north.newKeys("sae-south", { number: 4 })) as [GivenKey, ...GivenKey[]];
    const foreign = (await north.newKeys("sae-other", { number: 2 })) as [GivenKey, GivenKey];
    assert.deepEqual(await south.copies("sae-north", [spent.key_ID]), [spent]);
    const beside = (bad: string): string[] => [...idsOf(good), bad];
    const altered = good[0]!.key_ID.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"));
    await assertNothingLost(async () => {
      for (const ids of [
        [spent.key_ID],
        beside(spent.key_ID),
        [randomUUID()],
        beside(randomUUID()),
        [altered],
        beside(altered),
      ]) {
        const answer = await south.dec("sae-north", ids);
        assertRefused(answer, 400, NOT_FOUND);
        const { details } = JSON.parse(answer.text) as { details: unknown };
        assert.deepEqual(
          details,
          [{ key_ID: ids.at(-1), reason: "not_found" }],
          "the bad one is named, and no good one",
        );
      }
      for (const ids of [[foreign[0].key_ID], beside(foreign[0].key_ID)]) {
        assertRefused(
          await south.dec("sae-north", ids),
          401,
          "one or more keys specified were supplied for another pair of SAEs",
        );
      }
      // the ids of others are no use to a third SAE, nor under the name of another initiator
      assertRefused(await other.dec("sae-north", idsOf(good)), 401, /another pair/);
      assertRefused(await south.dec("sae-hub", idsOf(good)), 400, NOT_FOUND);
      assertRefused(await other.dec("sae-hub", idsOf(good)), 401, /may not share keys/);
      assertRefused(await south.dec("sae-nobody", idsOf(good)), 400, /not known/);
      assertRefused(await south.dec("sae-north", ["no-uuid"]), 400, "key_ID shall be a UUID in its text form");
      assertRefused(await south.dec("sae-north", beside(good[0]!.key_ID)), 400, /twice/);
      assertRefused(await south.dec("sae-north", []), 400, /key_IDs shall be a list/);
      assertRefused(
        await south.dec(
          "sae-north",
          Array.from({ length: 129 }, () => randomUUID()),
        ),
        400,
        /at most 128/,
      );
      assertRefused(await south.post(DEC, { key_IDs: idsOf(good) }), 400, /UUID/);
      assertRefused(await south.ask(`${DEC}?key_IDs=${good[0]!.key_ID}`), 400, /key_ID is missing/);
    });
    assert.deepEqual(await south.copies("sae-north", idsOf(good)), good, "all good ones are there still");
    assert.deepEqual(
      await other.copies("sae-north", idsOf(foreign)),
      foreign,
      "for those that they were made for, too",
    );
  });

  it("an SAE whose node is another one is sent away", async () => {
    const { certificates, nodes } = network;
    const files = certificates.saes.get(parseSaeId("sae-south"))!; // at the hub's door
    const tls = { ca: readFileSync(certificates.saesCa), cert: readFileSync(files.cert), key: readFileSync(files.key) };
    await assertNothingLost(async () => {
      assertRefused(await network.client("hub", tls).enc("sae-north"), 401, /may not share keys/);
      assert.match(nodes.hub.process.log, /"sae":"sae-south".*"SAE_NOT_ALLOWED"/, "the operator can see who and why");
    });
  });

  it("after all of it the ledgers add up", async () => {
    for (const node of Object.values(network.nodes)) await node.assertLedgerAddsUp();
  });
});

function posted(body: string | Buffer) {
  return { method: "POST", headers: JSON_TYPE, body };
}
