/** The audit trail of real daemons: killed under load, it is whole; it has every key that was given, and no key material. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { until } from "./daemon-process.ts";
import { KeySearch } from "./key-search.ts";
import { openNetwork, type Network } from "./network.ts";
import { SupplyLoad } from "./supply-load.ts";

const QKDCTL = fileURLToPath(new URL("../../src/daemon/qkdctl.ts", import.meta.url));

describe("audit trail of a network", () => {
  let network: Network;
  before(async () => {
    network = await openNetwork({ fields: { audit: { fileMax: "64KiB" } } });
    await network.filled();
  });
  after(() => network?.close());

  const folderOf = (id: "north" | "south"): string => join(network.node(id).folder, "data", "audit");
  const textOf = (id: "north" | "south"): string =>
    readdirSync(folderOf(id))
      .sort()
      .map((name) => readFileSync(join(folderOf(id), name), "utf8"))
      .join("");
  const qkdctl = (...words: readonly string[]): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, [QKDCTL, ...words], { encoding: "utf8" });

  it("is whole after kill -9 under load, and marks the gap", async () => {
    const load = new SupplyLoad(createSeededRandom("audit"));
    load.start(network, "sae-north", "sae-south");
    load.start(network, "sae-south", "sae-north");
    for (let kill = 0; kill < 2; kill++) {
      await sleep(1_500);
      await network.node("north").process.end("SIGKILL");
      await network.node("north").start();
    }
    await load.stop();
    assert.deepEqual(load.violations, []);
    const { status, stdout } = qkdctl(
      "audit",
      "verify",
      "--url",
      `http://127.0.0.1:${network.node("north").ports.operator}`,
    );
    assert.equal(status, 0, stdout);
    assert.match(stdout, /2 starts after an end that was not in order/);
    assert.match(stdout, /the chain is whole/);
  });

  it("names each key that was given, once at each side, and holds no key material", async () => {
    const keys = await network.sae("sae-north").newKeys("sae-south", { number: 5 });
    const ids = keys.map(({ key_ID }) => key_ID);
    await network.sae("sae-south").copies("sae-north", ids);
    for (const [id, role] of [
      ["north", "initiator"],
      ["south", "target"],
    ] as const) {
      const line = await until(`${id} has the keys in its trail`, () =>
        textOf(id)
          .split("\n")
          .find((text) => text.includes(ids[0]!)),
      );
      const told = JSON.parse(line) as Readonly<Record<string, unknown>>;
      assert.deepEqual(
        [told["event"], told["role"], told["initiator"], told["target"], told["sizeBits"], told["ids"]],
        ["keys-supplied", role, "sae-north", "sae-south", 256, ids],
      );
      const search = new KeySearch(keys.map(({ key }) => Buffer.from(key, "base64")));
      assert.deepEqual(search.in(textOf(id)), []);
    }
  });

  it("tells relays, and who was refused", async () => {
    assert.equal((await network.sae("sae-lonely").enc("sae-north")).status, 401);
    await until("the refusal is in the trail", () => textOf("south").includes('"event":"supply-refused"'));
    assert.match(
      textOf("north"),
      /"event":"relay-established","target":"south","keyClass":"default","bytes":\d+,"routes":\[\["hub","south"\]\]/,
    );
    assert.match(textOf("south"), /"event":"relay-passed","role":"destination"/);
  });

  it("ends with stop; then a changed byte is found by qkdctl, without any node", async () => {
    await network.node("south").process.end("SIGTERM");
    assert.equal(qkdctl("audit", "verify", folderOf("south")).status, 0);
    const last = JSON.parse(qkdctl("audit", "tail", folderOf("south"), "-n", "1").stdout) as { event: string };
    assert.equal(last.event, "stop");
    const path = join(folderOf("south"), readdirSync(folderOf("south")).sort()[0]!);
    writeFileSync(path, readFileSync(path, "utf8").replace("sae-north", "sae-other"));
    const { status, stdout } = qkdctl("audit", "verify", "--json", folderOf("south"));
    assert.equal(status, 1);
    assert.match(
      (JSON.parse(stdout) as { problems: { sentence: string }[] }).problems[0]!.sentence,
      /^altered: line \d+/,
    );
  });
});
