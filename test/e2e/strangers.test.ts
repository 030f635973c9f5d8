/** Certificates at the wrong door: only SAEs of this network reach the SAE port, only its nodes the Kx port. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { createDemoAuthority, peerLeaf, saeLeaf, type PemFiles } from "../../src/demo/demo-certificates.ts";
import { parseNodeId, parseSaeId } from "../../src/model/ids.ts";
import { until } from "./daemon-process.ts";
import { openNetwork, type Network } from "./network.ts";
import { idsOf, type TlsClientFiles } from "./sae-client.ts";

const DOOR_MS_MAX = 5_000;

describe("at the doors of a node", () => {
  let network: Network;
  let saesCa: Buffer;
  let peersCa: Buffer;
  /** Same names as the real ones, signed by somebody else. */
  let strange: { readonly node: TlsClientFiles; readonly sae: TlsClientFiles };

  before(async () => {
    network = await openNetwork({ logLevel: "debug" });
    saesCa = readFileSync(network.certificates.saesCa);
    peersCa = readFileSync(network.certificates.peersCa);
    const authority = await createDemoAuthority("a stranger");
    strange = {
      node: { ca: peersCa, ...(await authority.issue(peerLeaf(parseNodeId("north")))) },
      sae: { ca: saesCa, ...(await authority.issue(saeLeaf(parseSaeId("sae-north")))) },
    };
    await network.filled();
  });
  after(() => network?.close());

  const pem = (ca: Buffer, { cert, key }: PemFiles): TlsClientFiles => ({
    ca,
    cert: readFileSync(cert),
    key: readFileSync(key),
  });
  const northFiles = () => network.certificates.nodes.get(parseNodeId("north"))!;

  /** Whether the hub's Kx port speaks to whoever shows this: HTTP/2 begins with the server's settings. */
  async function kxSpeaksTo(tls: TlsClientFiles): Promise<boolean> {
    const socket = connect({ ...tls, host: "127.0.0.1", port: network.nodes.hub.ports.kx, ALPNProtocols: ["h2"] });
    try {
      socket.setTimeout(DOOR_MS_MAX, () => socket.destroy(new Error("neither answered nor refused")));
      const refused = once(socket, "close").then(
        () => false,
        () => false,
      );
      return await Promise.race([
        once(socket, "data").then(
          () => true,
          () => false,
        ),
        refused,
      ]);
    } finally {
      socket.destroy();
    }
  }

  const refusedAtSaePort: readonly (readonly [who: string, tls: () => TlsClientFiles])[] = [
    ["a stranger's certificate with an SAE's name", () => strange.sae],
    ["no certificate", () => ({ ca: saesCa })],
    ["a node's certificate for other nodes", () => pem(saesCa, northFiles().peer)],
    ["a node's certificate for SAEs", () => pem(saesCa, northFiles().saeFacing)],
  ];
  for (const [who, tls] of refusedAtSaePort) {
    it(`${who} gets no answer with key at the SAE port`, async () => {
      const client = network.client("north", tls());
      const outcome = await client.enc("sae-south").then(
        ({ status }) => status,
        (failure: NodeJS.ErrnoException) => failure.code ?? failure.message,
      );
      assert.match(String(outcome), /^(401|ECONNRESET|ERR_SSL_.*)$/);
    });
  }

  const refusedAtKxPort: readonly (readonly [who: string, tls: () => TlsClientFiles])[] = [
    ["a stranger's certificate with a node's name", () => strange.node],
    ["no certificate", () => ({ ca: peersCa })],
    ["an SAE's certificate", () => pem(peersCa, network.certificates.saes.get(parseSaeId("sae-north"))!)],
    ["a node's certificate for SAEs", () => pem(peersCa, northFiles().saeFacing)],
  ];
  for (const [who, tls] of refusedAtKxPort) {
    it(`${who} is not spoken to at the Kx port`, async () => {
      assert.equal(await kxSpeaksTo(tls()), false);
    });
  }

  it("a node's certificate is spoken to at the Kx port: so the others were refused for what they showed", async () => {
    assert.equal(await kxSpeaksTo(pem(peersCa, northFiles().peer)), true);
  });

  it("the operator's log says that somebody was refused, and why", async () => {
    const { north, hub } = network.nodes;
    await until("refusals are logged", () => /"event":"TLS handshake refused"/.test(north.process.log));
    await until("refusals are logged", () => /"reason":"[^"]+".*"event":"peer handshake failed"/.test(hub.process.log));
  });

  it("nobody is disturbed by it: links are up, nothing was spent, and keys are equal", async () => {
    for (const node of Object.values(network.nodes)) {
      const { links, supply } = await node.status();
      for (const { session } of links) assert.equal(session, "up");
      assert.equal(supply.keysSupplied, 0);
      await node.assertLedgerAddsUp();
    }
    const keys = await network.sae("sae-north").newKeys("sae-south", { number: 5 });
    assert.deepEqual(await network.sae("sae-south").copies("sae-north", idsOf(keys)), keys);
  });
});
