/** The certificates of a demo network: who signed what, what they are good for, and who may read the private keys. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { type DemoCertificates, writeDemoCertificates } from "../../../src/demo/demo-certificates.ts";
import { nodeOfCertificate } from "../../../src/io/peer-identity.ts";
import { parseNodeId, parseSaeId } from "../../../src/model/ids.ts";

const node = parseNodeId("vienna-1");
const sae = parseSaeId("urn:sae/1 (Büro)");
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

describe("demo certificates", () => {
  const folder = mkdtempSync(join(tmpdir(), "qkdnd-certificates-"));
  after(() => rmSync(folder, { recursive: true }));

  let written: DemoCertificates;
  before(async () => {
    writeFileSync(join(folder, "peers-ca.pem"), "old", { mode: 0o600 });
    written = await writeDemoCertificates(folder, { nodes: [node, parseNodeId("graz")], saes: [sae] });
  });

  const certificateAt = (path: string): X509Certificate => new X509Certificate(readFileSync(path));
  const of = (id: typeof node) => written.nodes.get(id)!;

  it("name the node or the SAE, and where a demo node is reached", () => {
    const names = certificateAt(of(node).peer.cert).subjectAltName!;
    assert.equal(nodeOfCertificate(names, "qkdn"), node);
    assert.match(names, /DNS:localhost, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1/);
    const saeCertificate = certificateAt(written.saes.get(sae)!.cert);
    assert.equal(saeCertificate.subjectAltName, `URI:spiffe://qkdn/sae/${encodeURIComponent(sae)}`);
    assert.equal(saeCertificate.toLegacyObject().subject.CN, sae);
  });

  it("are signed by the anchor of their trust, and by no other", () => {
    const peersCa = certificateAt(written.peersCa);
    const saesCa = certificateAt(written.saesCa);
    const peer = certificateAt(of(node).peer.cert);
    assert.ok(peer.verify(peersCa.publicKey) && !peer.verify(saesCa.publicKey));
    for (const { cert } of [of(node).saeFacing, written.saes.get(sae)!]) {
      const certificate = certificateAt(cert);
      assert.ok(certificate.verify(saesCa.publicKey) && !certificate.verify(peersCa.publicKey));
    }
  });

  it("are valid for 90 days, and do not let anyone sign", () => {
    const peer = certificateAt(of(node).peer.cert);
    const days = (peer.validToDate.getTime() - Date.now()) / 86_400_000;
    assert.ok(days > 89.9 && days <= 90, `${days} days`);
    assert.equal(peer.ca, false);
    assert.equal(certificateAt(written.peersCa).ca, true);
  });

  it("come with private keys that fit, readable by their owner only", () => {
    for (const { cert, key } of [of(node).peer, of(node).saeFacing, written.saes.get(sae)!]) {
      assert.ok(certificateAt(cert).checkPrivateKey(createPrivateKey(readFileSync(key))));
      assert.equal(statSync(key).mode & 0o777, 0o600);
    }
    assert.equal(statSync(join(folder, "nodes")).mode & 0o777, 0o700);
  });

  it("take the place of older ones", async () => {
    const before = readFileSync(of(node).peer.key);
    const again = await writeDemoCertificates(folder, { nodes: [node], saes: [] });
    assert.deepEqual(again.nodes.get(node), of(node));
    assert.notDeepEqual(readFileSync(of(node).peer.key), before);
    written = await writeDemoCertificates(folder, { nodes: [node], saes: [sae] });
  });

  it("verify with openssl, each for its purpose", { skip: !hasOpenssl && "there is no openssl" }, () => {
    const verify = (ca: string, purpose: "sslserver" | "sslclient", cert: string): boolean =>
      spawnSync("openssl", ["verify", "-x509_strict", "-CAfile", ca, "-purpose", purpose, cert]).status === 0;
    const { peersCa, saesCa, saes } = written;
    const { peer, saeFacing } = of(node);
    assert.ok(verify(peersCa, "sslserver", peer.cert) && verify(peersCa, "sslclient", peer.cert));
    assert.ok(verify(saesCa, "sslserver", saeFacing.cert) && !verify(saesCa, "sslclient", saeFacing.cert));
    assert.ok(verify(saesCa, "sslclient", saes.get(sae)!.cert) && !verify(saesCa, "sslserver", saes.get(sae)!.cert));
    assert.ok(!verify(saesCa, "sslclient", peer.cert) && !verify(peersCa, "sslclient", saes.get(sae)!.cert));
  });
});
