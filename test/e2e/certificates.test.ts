/** Certificates of real daemons are replaced while they run: no connection is lost, and what is broken changes nothing. */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type DemoCertificates, writeDemoCertificates } from "../../src/demo/demo-certificates.ts";
import { troublesOf } from "../../src/api/operator/node-status.ts";
import { parseNodeId, parseSaeId } from "../../src/model/ids.ts";
import { until } from "./daemon-process.ts";
import { openNetwork, type Network } from "./network.ts";
import type { SaeClient } from "./sae-client.ts";

describe("certificates that are replaced", () => {
  let network: Network;
  let later: DemoCertificates;
  let connected: SaeClient;

  before(async () => {
    network = await openNetwork();
    later = await writeDemoCertificates(join(network.folder, "later"), {
      nodes: network.shape.nodes.map(parseNodeId),
      saes: ["sae-north"].map(parseSaeId),
      validDays: 10,
    });
    await network.filled();
    connected = network.sae("sae-north");
    await connected.newKeys("sae-south");
  });
  after(() => network?.close());

  const filesOf = ({ nodes }: DemoCertificates, id: string) => nodes.get(parseNodeId(id))!;
  const clientOf = (certificates: DemoCertificates): SaeClient => {
    const { cert, key } = certificates.saes.get(parseSaeId("sae-north"))!;
    const [ca, certPem, keyPem] = [certificates.saesCa, cert, key].map((path) => readFileSync(path));
    return network.client("north", { ca: ca!, cert: certPem!, key: keyPem! });
  };

  it("a file that is none is refused with the reason, and the old one stays", async () => {
    const { cert } = filesOf(network.certificates, "north").saeFacing;
    const before = readFileSync(cert);
    writeFileSync(cert, "no certificate");
    process.kill(network.node("north").process.pid, "SIGHUP");
    await until("the trouble is told", async () =>
      troublesOf(await network.node("north").status()).some((trouble) =>
        /^new certificates are not used: .*etsi014\.tls\.cert: /.test(trouble),
      ),
    );
    assert.equal((await clientOf(network.certificates).enc("sae-south")).status, 200);
    writeFileSync(cert, before);
    await until("the trouble is over", async () => troublesOf(await network.node("north").status()).length === 0);
  });

  it("new ones, of other authorities, are used without a word and without a restart; connections go on", async () => {
    const stranger = clientOf(later);
    await assert.rejects(stranger.enc("sae-south"));
    copyFileSync(later.peersCa, network.certificates.peersCa);
    copyFileSync(later.saesCa, network.certificates.saesCa);
    for (const id of network.shape.nodes) {
      for (const use of ["peer", "saeFacing"] as const) {
        const [from, to] = [filesOf(later, id)[use], filesOf(network.certificates, id)[use]];
        copyFileSync(from.cert, to.cert);
        copyFileSync(from.key, to.key);
      }
    }
    for (const id of network.shape.nodes) {
      await until(`${id} has the new ones`, async () => {
        const { certificates = [] } = await network.node(id).status();
        return certificates.filter(({ use, daysLeft }) => !use.startsWith("peer ") && daysLeft < 11).length === 2;
      });
    }
    assert.equal((await connected.enc("sae-south")).status, 200);
    assert.equal((await clientOf(later).enc("sae-south")).status, 200);
    assert.equal((await network.node("north").link("hub")).session, "up");
  });

  it("a neighbour that comes again is met with the new ones, and how long its own is good is a metric", async () => {
    const [hub, north] = [network.node("hub"), network.node("north")];
    const of = { use: "peer hub" };
    assert.ok((await north.metric("qkdn_certificate_expiry_seconds", of))! > 80 * 86_400);
    await hub.process.end("SIGTERM");
    await hub.start();
    await hub.linksWork();
    assert.ok((await north.metric("qkdn_certificate_expiry_seconds", of))! < 11 * 86_400);
  });
});
