/** Drain and zeroize of real daemons, by qkdctl and by a tamper input. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { EXIT } from "../../src/daemon/exit-codes.ts";
import { until } from "./daemon-process.ts";
import { openNetwork, type Network } from "./network.ts";
import type { ChainNode } from "./network-plan.ts";

const QKDCTL = fileURLToPath(new URL("../../src/daemon/qkdctl.ts", import.meta.url));

describe("drain and zeroize", () => {
  let network: Network;
  before(async () => {
    network = await openNetwork({
      fields: { tamper: { file: "tamper-line", activeValue: "1" } },
      makeFiles: ["tamper-line"],
    });
    await network.filled();
  });
  after(() => network?.close());

  const socketOf = (id: ChainNode): string => join(network.node(id).folder, "data", "control.sock");
  const qkdctl = (
    id: ChainNode,
    ...words: readonly string[]
  ): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [QKDCTL, ...words, "--socket", socketOf(id)], { encoding: "utf8" });
  const auditOf = (id: ChainNode): string => {
    const folder = join(network.node(id).folder, "data", "audit");
    return readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .join("");
  };

  it("the operator port takes neither, and the socket is for the daemon's user alone", async () => {
    const { operator } = network.node("hub").ports;
    for (const path of ["/drain", "/zeroize", "/status"]) {
      const answer = await fetch(`http://127.0.0.1:${operator}${path}`, { method: "POST", body: "{}" });
      assert.ok([404, 405].includes(answer.status), `${path}: ${answer.status}`);
    }
    assert.equal(statSync(socketOf("hub")).mode & 0o777, 0o600);
    assert.equal(qkdctl("hub", "zeroize").status, 2);
  });

  it("a node that is drained serves from stock, is not ready, and refuses relays by name; cancelled, it takes part again", async () => {
    assert.match(qkdctl("hub", "drain").stdout, /^hub drains; relays under way: \d+\n$/);
    const { health } = await network.node("hub").status();
    assert.deepEqual([health.live, health.ready], [true, false]);
    const keys = await network.sae("sae-hub").newKeys("sae-south", { number: 1 });
    assert.equal(keys.length, 1);
    const north = network.sae("sae-north");
    for (let status = 200; status === 200;) ({ status } = await north.enc("sae-south", { number: 4 }));
    await until("north was refused by the hub that drains", () =>
      /"reason":"draining","atHop":"hub"/.test(auditOf("north")),
    );
    assert.equal(JSON.parse(qkdctl("hub", "drain", "--cancel", "--json").stdout).draining, false);
    await network.filled();
  });

  it("--leave ends it in order", async () => {
    assert.equal(qkdctl("hub", "drain", "--leave", "--within", "20s").status, 0);
    const { code } = await network.node("hub").process.ended;
    assert.equal(code, EXIT.ok);
    assert.match(auditOf("hub"), /"event":"drain","state":"leaving"[^]*"event":"stop"/);
    await network.node("hub").start();
    await network.filled();
  });

  it("zeroize answers within a second, ends with 79, and neither the folder nor a copy can be read with the root", async () => {
    const node = network.node("south");
    const data = join(node.folder, "data");
    const { stdout, status } = qkdctl("south", "zeroize", "--yes-destroy-all-keys", "--json");
    assert.equal(status, 0, stdout);
    const { dataKeys, tookMs } = JSON.parse(stdout) as { dataKeys: number; tookMs: number };
    assert.ok(dataKeys > 0 && tookMs < 1_000, stdout);
    assert.equal((await node.process.ended).code, EXIT.zeroized);
    for (const file of [join(data, "key-bag"), `${data}.nv`]) {
      assert.ok(
        readFileSync(file).every((byte) => byte === 0),
        file,
      );
    }
    assert.match(
      auditOf("south"),
      new RegExp(`"event":"zeroized","cause":"operator","dataKeys":${dataKeys},"tookMs":${tookMs}`),
    );
    node.process.start();
    assert.equal((await node.process.ended).code, EXIT.needsAPerson);
    assert.match(node.process.log, /the key bag was zeroized/);
  });

  it("begun anew in an empty folder it takes part again", async () => {
    const node = network.node("south");
    cpSync(join(node.folder, "data", "audit"), join(node.folder, "kept"), { recursive: true });
    rmSync(join(node.folder, "data"), { recursive: true });
    rmSync(join(node.folder, "data.nv"));
    await node.start();
    await network.filled();
  });

  it("the tamper input does the same", async () => {
    const node = network.node("north");
    writeFileSync(join(node.folder, "tamper-line"), "1\n");
    assert.equal((await node.process.ended).code, EXIT.zeroized);
    assert.ok(readFileSync(join(node.folder, "data", "key-bag")).every((byte) => byte === 0));
    assert.match(auditOf("north"), /"event":"zeroized","cause":"tamper"/);
  });
});
