/** Who gets a session, and who does not: certificates and TLS versions, at both ends of a call. */
import assert from "node:assert/strict";
import { type Server, createServer as createTcpServer } from "node:net";
import { afterEach, describe, it } from "node:test";
import {
  type ConnectionOptions,
  type TlsOptions,
  connect as connectTls,
  createServer as createTlsServer,
} from "node:tls";

import type { JsonGeneralNames } from "@peculiar/x509";

import {
  type DemoAuthority,
  type LeafRequest,
  createDemoAuthority,
  peerLeaf,
  saeLeaf,
} from "../../../src/demo/demo-certificates.ts";
import { checkOwnCertificate, nodeOfCertificate } from "../../../src/io/peer-identity.ts";
import { QkdError, isQkdError } from "../../../src/model/errors.ts";
import { parseSaeId } from "../../../src/model/ids.ts";
import type { PeerSession } from "../../../src/peer/peer-transport.ts";
import { type LoopbackNode, createLoopbackNode, ids, peersAuthority, serveOn } from "../../fakes/grpc-loopback.ts";

const { a, b } = ids;
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

interface NodeCertificate {
  readonly leaf?: LeafRequest;
  readonly signedBy?: DemoAuthority;
}

/** What comes of a call from a to b, where one of them has an unusual certificate. */
async function call(certificates: { readonly a?: NodeCertificate; readonly b?: NodeCertificate }): Promise<{
  readonly outcome: PeerSession | QkdError;
  readonly accepted: number;
  readonly callee: LoopbackNode;
}> {
  const callee = await createLoopbackNode(b, new Map([[a, ""]]), certificates.b);
  cleanUp.push(() => callee.scope.close());
  let accepted = 0;
  const address = await serveOn(callee, () => (accepted += 1));
  return { outcome: await dial(address, certificates.a), accepted, callee };
}

async function dial(address: string, certificate?: NodeCertificate): Promise<PeerSession | QkdError> {
  const caller = await createLoopbackNode(a, new Map([[b, address]]), certificate);
  try {
    const session = await caller.transport.connect(b, AbortSignal.timeout(3_000));
    cleanUp.push(() => session.close("the test is over"));
    return session;
  } catch (failure) {
    assert.ok(isQkdError(failure));
    return failure;
  }
}

function assertRefused(outcome: PeerSession | QkdError, sentence: RegExp): void {
  assert.ok(outcome instanceof QkdError, "there is a session");
  assert.equal(outcome.code, "PEER_REFUSED", outcome.message);
  assert.match(outcome.message, sentence);
}

const uri = (value: string): JsonGeneralNames[number] => ({ type: "url", value });
const named = (...names: JsonGeneralNames): NodeCertificate => ({ leaf: { ...peerLeaf(a), names } });

describe("identity of neighbours", () => {
  it("two nodes with their own certificates get a session", async () => {
    const { outcome, accepted } = await call({});
    assert.ok(!(outcome instanceof QkdError));
    assert.equal(accepted, 1);
  });

  const refusedCallers: readonly (readonly [string, NodeCertificate, RegExp])[] = [
    ["an SAE's certificate", { leaf: saeLeaf(parseSaeId("sae-1")) }, /does not begin with spiffe:\/\/qkdn\/kme\//],
    ["two node names", named(uri("spiffe://qkdn/kme/a"), uri("spiffe://qkdn/kme/c")), /2 URI names/],
    ["a node name and another", named(uri("spiffe://qkdn/kme/a"), uri("https://a")), /2 URI names/],
    ["no URI name", named({ type: "dns", value: "a" }), /no URI name/],
    ["another domain", named(uri("spiffe://elsewhere/kme/a")), /does not begin/],
    ["a longer path", named(uri("spiffe://qkdn/kme/a/b")), /no node id/],
    ["a name in capitals", named(uri("spiffe://qkdn/kme/A")), /no node id/],
    ["a query behind the name", named(uri("spiffe://qkdn/kme/a?x=1")), /no node id/],
    ["a node that is no neighbour", { leaf: peerLeaf(ids.c) }, /c is no configured peer/],
  ];
  for (const [what, certificate, sentence] of refusedCallers) {
    it(`a caller is refused: ${what}`, async () => {
      const { outcome, accepted, callee } = await call({ a: certificate });
      assertRefused(outcome, sentence);
      assert.equal(accepted, 0);
      assert.deepEqual(callee.log.events("warn"), ["peer refused"]);
    });
  }

  it("a caller is refused: a stranger's anchor", async () => {
    const { outcome, accepted, callee } = await call({ a: { signedBy: await createDemoAuthority("stranger") } });
    assertRefused(outcome, /when it saw our certificate/);
    assert.equal(accepted, 0);
    const reasons = callee.log.lines.map(({ facts }) => facts["reason"]);
    assert.ok(reasons.includes("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), reasons.join());
  });

  it("a caller is refused: a certificate for servers only", async () => {
    const { outcome } = await call({ a: { leaf: { ...peerLeaf(a), usages: ["server"] } } });
    assertRefused(outcome, /when it saw our certificate/);
  });

  it("a server is refused: a stranger's anchor", async () => {
    const { outcome, accepted } = await call({ b: { signedBy: await createDemoAuthority("stranger") } });
    assertRefused(outcome, /certificate/);
    assert.equal(accepted, 0);
  });

  const refusedServers: readonly (readonly [string, LeafRequest, RegExp])[] = [
    ["another node's certificate", peerLeaf(ids.c), /the certificate is the one of c/],
    ["an SAE's certificate", { ...saeLeaf(parseSaeId("sae-1")), usages: ["server"] }, /does not begin with/],
    ["two node names", { ...peerLeaf(b), names: [uri("spiffe://qkdn/kme/b"), uri("spiffe://qkdn/kme/c")] }, /2 URI/],
    ["a certificate for clients only", { ...peerLeaf(b), usages: ["client"] }, /purpose/],
  ];
  for (const [what, leaf, sentence] of refusedServers) {
    it(`a server is refused: ${what}`, async () => {
      const { outcome, accepted } = await call({ b: { leaf } });
      assertRefused(outcome, sentence);
      assert.equal(accepted, 0);
    });
  }
});

describe("names in certificates, as Node.js prints them", () => {
  const read = (names: string): string => nodeOfCertificate(names, "qkdn");

  it("the one URI name counts, whatever stands beside it", () => {
    assert.equal(read("URI:spiffe://qkdn/kme/a, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1"), "a");
    assert.equal(read("DNS:b, URI:spiffe://qkdn/kme/a"), "a");
  });

  it("a name within another name is none", () => {
    const hidden = 'DNS:"x, URI:spiffe://qkdn/kme/a", email:y';
    assert.throws(
      () => read(hidden),
      (failure) => isQkdError(failure, "PEER_REFUSED"),
    );
    assert.equal(read(`${hidden}, URI:spiffe://qkdn/kme/b`), "b");
  });

  it("what cannot be read to its end is refused whole", () => {
    for (const broken of [
      "",
      'URI:spiffe://qkdn/kme/a, DNS:"x',
      "URI:spiffe://qkdn/kme/a,b",
      'URI:"spiffe://qkdn/kme/a"',
    ]) {
      assert.throws(
        () => read(broken),
        (failure) => isQkdError(failure, "PEER_REFUSED"),
        broken,
      );
    }
  });
});

describe("a node's own certificate", () => {
  const own = { self: a, spiffeDomain: "qkdn", now: Date.now() };
  const refused = (sentence: RegExp) => (failure: unknown) =>
    isQkdError(failure, "CONFIG_INVALID") && sentence.test(failure.message);

  it("is accepted when it names the node, and tells its end", async () => {
    const { cert } = await (await peersAuthority()).issue(peerLeaf(a));
    assert.ok(checkOwnCertificate(cert, own).notAfter > own.now);
  });

  it("is refused when it is another node's, an SAE's, of another domain, over, or none", async () => {
    const authority = await peersAuthority();
    const certOf = async (leaf: LeafRequest) => (await authority.issue(leaf)).cert;
    const theirs = await certOf(peerLeaf(b));
    assert.throws(() => checkOwnCertificate(theirs, own), refused(/^a's own .*it is the certificate of b$/));
    const sae = await certOf(saeLeaf(parseSaeId("sae-1")));
    assert.throws(() => checkOwnCertificate(sae, own), refused(/does not begin with/));
    const ours = await certOf(peerLeaf(a));
    assert.throws(() => checkOwnCertificate(ours, { ...own, spiffeDomain: "x" }), refused(/spiffe:\/\/x\/kme/));
    const later = { ...own, now: own.now + 91 * 86_400_000 };
    assert.throws(() => checkOwnCertificate(ours, later), refused(/it ended on/));
    assert.throws(() => checkOwnCertificate("nothing", own), refused(/cannot be used/));
  });

  it("can be renewed: new connections show the new one, sessions go on", async () => {
    const callee = await createLoopbackNode(b, new Map([[a, ""]]), { leaf: peerLeaf(ids.c) });
    cleanUp.push(() => callee.scope.close());
    const address = await serveOn(callee);
    assertRefused(await dial(address), /the certificate is the one of c/);
    const authority = await peersAuthority();
    const ca = authority.ca;
    callee.transport.renewCertificates({ ca, ...(await authority.issue(peerLeaf(b))) });
    const session = await dial(address);
    assert.ok(!(session instanceof QkdError));
    callee.transport.renewCertificates({ ca, ...(await authority.issue(peerLeaf(b))) });
    assert.throws(
      () => callee.transport.renewCertificates({ ca, cert: "nothing", key: "nothing" }),
      refused(/TLS between nodes cannot start/),
    );
    assert.ok(!((await dial(address)) instanceof QkdError));
    assert.equal(session.send({ kind: "heartbeat", demandBytesPerSecond: 0 }), true);
  });
});

describe("TLS between nodes", () => {
  /** What TLS says to a client with these options: the protocol in use, or the error's code. */
  async function handshake(address: string, options: ConnectionOptions): Promise<string> {
    const [host, port] = address.split(":") as [string, string];
    const identity = { ca: (await peersAuthority()).ca, ...(await (await peersAuthority()).issue(peerLeaf(a))) };
    return new Promise((resolve) => {
      const socket = connectTls({ ...identity, host, port: Number(port), ALPNProtocols: ["h2"], ...options });
      // In TLS 1.3 a client that lacks a certificate hears so after its own handshake, instead of the first bytes.
      socket.once("data", () => {
        resolve(socket.getProtocol()!);
        socket.destroy();
      });
      socket.on("error", (failure: NodeJS.ErrnoException) => resolve(failure.code ?? failure.message));
      socket.once("close", () => resolve("closed"));
    });
  }

  const attempts: readonly (readonly [string, ConnectionOptions, RegExp])[] = [
    ["TLS 1.3 is spoken", {}, /^TLSv1\.3$/],
    ["TLS 1.2 is refused", { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }, /PROTOCOL_VERSION/],
    ["a key exchange without ML-KEM is refused", { ecdhCurve: "X25519" }, /HANDSHAKE_FAILURE/],
    ["a client without certificate is refused", { cert: "", key: "" }, /CERTIFICATE_REQUIRED/],
    ["a client that speaks no HTTP/2 is refused", { ALPNProtocols: ["http/1.1"] }, /NO_APPLICATION_PROTOCOL/],
  ];
  for (const [what, options, answer] of attempts) {
    it(what, async () => {
      const callee = await createLoopbackNode(b, new Map([[a, ""]]));
      cleanUp.push(() => callee.scope.close());
      assert.match(await handshake(await serveOn(callee), options), answer);
    });
  }

  async function listen(server: Server): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanUp.push(() => new Promise((resolve) => server.close(resolve)));
    return `127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  async function tlsServer(options: TlsOptions): Promise<string> {
    const identity = { ca: (await peersAuthority()).ca, ...(await (await peersAuthority()).issue(peerLeaf(b))) };
    const server = createTlsServer({ ...identity, ALPNProtocols: ["h2"], ...options }, (socket) => {
      socket.on("error", () => undefined);
      socket.resume();
      socket.end("220 what do you want?\r\n");
    });
    return listen(server);
  }

  it("a server that speaks TLS 1.2 at most is refused", async () => {
    assertRefused(await dial(await tlsServer({ maxVersion: "TLSv1.2" })), /alert|version/i);
  });

  it("a server that speaks something else than HTTP/2 is unreachable", async () => {
    const outcome = await dial(await tlsServer({}));
    assert.ok(isQkdError(outcome, "PEER_UNREACHABLE"));
  });

  it("a server that says nothing is given up at the deadline, and no socket stays open", async () => {
    const open = new Set<unknown>();
    const silent = createTcpServer((socket) => {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", () => undefined);
      socket.once("close", () => open.delete(socket));
    });
    const caller = await createLoopbackNode(a, new Map([[b, await listen(silent)]]));
    const startedAt = performance.now();
    await assert.rejects(caller.transport.connect(b, AbortSignal.timeout(200)), (failure) =>
      isQkdError(failure, "PEER_UNREACHABLE"),
    );
    assert.ok(performance.now() - startedAt < 1_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(open.size, 0);
  });
});
