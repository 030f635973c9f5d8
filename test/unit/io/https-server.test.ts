/** The server for SAEs, with real TLS on loopback. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type RequestOptions, request } from "node:https";
import { connect as connectTcp, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { type TLSSocket, connect } from "node:tls";

import type { ApiReply, SaeRequest } from "../../../src/api/api-request.ts";
import { createEtsi014Handlers } from "../../../src/api/etsi014/handlers.ts";
import { refuseExchange } from "../../../src/api/etsi014/replies.ts";
import { type HttpLimits } from "../../../src/io/http-listening.ts";
import { type SaeServer, openSaeServer } from "../../../src/io/https-server.ts";
import { createSystemClock } from "../../../src/io/system-clock.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import { type Scope, openScope } from "../../../src/runtime/scope.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { createSmallKeySupply } from "../../fakes/small-key-supply.ts";
import { type TestAuthority, type TestCertificate, createTestAuthority } from "../../fakes/test-certificates.ts";

const spiffe = (path: string) => `spiffe://qkd.example/${path}`;

let authority: TestAuthority;
let serverCertificate: TestCertificate;
let alice: TestCertificate;

before(async () => {
  authority = await createTestAuthority("SAE authority");
  serverCertificate = await authority.issue("node-a", [spiffe("kme/node-a")]);
  alice = await authority.issue("alice", [spiffe("sae/alice")]);
});

const scopes: Scope[] = [];
after(async () => {
  for (const scope of scopes) await scope.close();
});

function reply(body: string | Uint8Array, erase?: () => void): ApiReply {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return { status: 200, contentType: "text/plain", headers: {}, body: bytes, ...(erase ? { erase } : {}) };
}

async function openServer(
  handle: (request: SaeRequest, deadline: AbortSignal) => Promise<ApiReply> = async ({ caller }) => reply(caller),
  options: { limits?: Partial<HttpLimits>; port?: number; replyLost?: () => void } = {},
) {
  const log = createRecordingLogger();
  const scope = openScope("test", log);
  scopes.push(scope);
  const server = await openSaeServer(
    {
      listen: { host: "127.0.0.1", port: options.port ?? 0 },
      tls: { ca: authority.ca, ...serverCertificate },
      identify: { spiffeDomain: "qkd.example" },
      handle,
      refuse: refuseExchange,
      log,
      limits: { closeGraceMs: 300, ...options.limits },
      ...(options.replyLost ? { replyLost: options.replyLost } : {}),
    },
    scope,
  );
  return { ...server, server, scope, log };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly resumed: boolean;
}

async function ask(server: SaeServer, options: RequestOptions & { readonly body?: string }): Promise<Answer> {
  const { body, path, ...rest } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request(new URL(path ?? "/", server.url), { ca: authority.ca, agent: false, ...rest }, (response) => {
    const chunks: Buffer[] = [];
    const resumed = (response.socket as TLSSocket).isSessionReused();
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () =>
      resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks), resumed }),
    );
    response.on("error", reject);
  });
  asked.on("error", reject);
  asked.end(body);
  return promise;
}

describe("who is let in", () => {
  let opened: Awaited<ReturnType<typeof openServer>>;
  before(async () => {
    opened = await openServer();
  });

  test("an SAE is known by the URI name of its certificate, percent-decoded once", async () => {
    const odd = await authority.issue("odd", [spiffe("sae/site%2F7%2525")]);
    assert.equal((await ask(opened.server, alice)).body.toString(), "alice");
    assert.equal((await ask(opened.server, odd)).body.toString(), "site/7%25");
  });

  test("a certificate of a stranger's authority is refused, and the log says why", async () => {
    const stranger = await createTestAuthority("SAE authority");
    const forged = await stranger.issue("alice", [spiffe("sae/alice")]);
    await assert.rejects(ask(opened.server, forged), { code: "ECONNRESET" });
    const line = opened.log.lines.find(({ event }) => event === "TLS handshake refused");
    assert.match(String(line?.facts["reason"]), /UNABLE_TO|SIGNATURE|SELF_SIGNED/);
  });

  test("T014-12 no certificate is refused", async () => {
    await assert.rejects(ask(opened.server, {}));
  });

  test("T014-12 TLS 1.2 is refused", async () => {
    await assert.rejects(ask(opened.server, { ...alice, maxVersion: "TLSv1.2" }), /alert protocol version/);
  });

  for (const [who, uris] of [
    ["a node", [spiffe("kme/node-b")]],
    ["an SAE of another network", ["spiffe://other.example/sae/alice"]],
    ["two SAEs", [spiffe("sae/alice"), spiffe("sae/bob")]],
    ["an SAE and a node", [spiffe("sae/alice"), spiffe("kme/node-b")]],
    ["nobody", []],
    ["a path below an SAE", [spiffe("sae/alice/more")]],
  ] as const) {
    test(`a certificate that names ${who} gets 401 with an Error object`, async () => {
      const { status, body, headers } = await ask(opened.server, await authority.issue("x", uris));
      assert.equal(status, 401);
      assert.equal(headers["content-type"], "application/json");
      assert.equal(typeof JSON.parse(body.toString()).message, "string");
    });
  }

  test("no TLS session is resumed: each connection shows its certificate anew", async () => {
    const agent = new Agent({ keepAlive: false, maxCachedSessions: 10, ca: authority.ca, ...alice });
    assert.equal((await ask(opened.server, { agent })).resumed, false);
    assert.equal((await ask(opened.server, { agent })).resumed, false);
    agent.destroy();
  });

  test("a renewed certificate is shown to the next connection; one that does not fit changes nothing", async () => {
    const own = await openServer();
    const renewed = await authority.issue("node-a renewed", [spiffe("kme/node-a")]);
    own.server.renewTls({ ca: authority.ca, ...renewed });
    assert.throws(
      () => own.server.renewTls({ ca: authority.ca, cert: renewed.cert, key: alice.key }),
      (error) => isQkdError(error, "CONFIG_INVALID"),
    );
    const socket = connect({ port: own.port, host: "127.0.0.1", ca: authority.ca, ...alice });
    await once(socket, "secureConnect");
    assert.equal(socket.getPeerCertificate().subject.CN, "node-a renewed");
    socket.destroy();
  });
});

describe("replies", () => {
  test("a large reply arrives whole, and its buffer is erased once it was written", async () => {
    const body = new Uint8Array(new ArrayBuffer(300_000)).fill(0x41);
    const erased = Promise.withResolvers<void>();
    const { server } = await openServer(async () =>
      reply(body, () => {
        body.fill(0);
        erased.resolve();
      }),
    );
    const answer = await ask(server, alice);
    await erased.promise;
    assert.equal(answer.body.length, 300_000);
    assert.ok(answer.body.every((byte) => byte === 0x41));
    assert.ok(body.every((byte) => byte === 0));
  });

  test("a reply whose reader is gone is erased and counted as lost; the deadline has aborted", async () => {
    const arrived = Promise.withResolvers<AbortSignal>();
    const lost = Promise.withResolvers<void>();
    let erased = 0;
    const { server } = await openServer(
      async (_request, deadline) => {
        arrived.resolve(deadline);
        await once(deadline, "abort");
        return reply("too late", () => void erased++);
      },
      { replyLost: () => lost.resolve() },
    );
    const asked = request(server.url, { ca: authority.ca, agent: false, ...alice });
    asked.on("error", () => undefined);
    asked.end();
    const deadline = await arrived.promise;
    asked.destroy();
    await lost.promise;
    assert.equal(erased, 1);
    assert.ok(isQkdError(deadline.reason, "CANCELLED"));
  });

  test("many requests share one connection, and the certificate is looked at once", async () => {
    const { server } = await openServer();
    const connections = new Set<unknown>();
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.ca, ...alice });
    agent.on("free", (socket) => connections.add(socket));
    for (let i = 0; i < 20; i++) assert.equal((await ask(server, { agent })).status, 200);
    assert.equal(connections.size, 1);
    agent.destroy();
  });
});

test("a key that one SAE was given is fetched by the other over the wire, once", async () => {
  const supply = createSmallKeySupply({ places: { alice: "a", bob: "b" }, friends: ["alice bob"], stockBytes: 4096 });
  const log = createRecordingLogger();
  const handle = createEtsi014Handlers({ supply, clock: createSystemClock(), log }, { requestDeadlineMs: 1000 });
  const { server } = await openServer(handle);
  const bob = await authority.issue("bob", [spiffe("sae/bob")]);
  const given = await ask(server, { ...alice, path: "/api/v1/keys/bob/enc_keys?number=2&size=128" });
  const { keys } = JSON.parse(given.body.toString()) as { keys: { key_ID: string; key: string }[] };
  const fetching = {
    ...bob,
    method: "POST",
    path: "/api/v1/keys/alice/dec_keys",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ key_IDs: keys.map(({ key_ID }) => ({ key_ID })) }),
  };
  assert.deepEqual(JSON.parse((await ask(server, fetching)).body.toString()), { keys });
  assert.equal((await ask(server, fetching)).status, 400);
  assert.equal(keys.length, 2);
});

describe("bounds", () => {
  const echo = async ({ body }: SaeRequest) => reply(String(body.length));

  test("a body at the limit is read, one above it gets 413, whether its length is announced or not", async () => {
    const { server } = await openServer(echo, { limits: { bodyBytesMax: 1000 } });
    const post = { ...alice, method: "POST" };
    assert.equal((await ask(server, { ...post, body: "x".repeat(1000) })).body.toString(), "1000");
    assert.equal((await ask(server, { ...post, body: "x".repeat(1001) })).status, 413);
    const chunked = { ...post, headers: { "transfer-encoding": "chunked" } };
    const answer = await ask(server, { ...chunked, body: "x".repeat(200_000) });
    assert.equal(answer.status, 413);
    assert.match(JSON.parse(answer.body.toString()).message, /at most 1000 bytes/);
  });

  test("a body that does not come is cut off, and nobody is asked for key", async () => {
    let handled = 0;
    const count = async () => reply(String(handled++));
    const { server } = await openServer(count, { limits: { requestTimeoutMs: 200, headTimeoutMs: 200 } });
    const slow = request(server.url, { ca: authority.ca, agent: false, ...alice, method: "POST" });
    slow.setHeader("content-length", "100");
    slow.write("only this");
    const [response] = await Promise.race([once(slow, "response"), once(slow, "error")]);
    assert.ok(response.statusCode === 408 || response.code === "ECONNRESET");
    assert.equal(handled, 0);
    slow.destroy();
  });

  test("a head above 8 KiB is refused", async () => {
    const { server } = await openServer(echo);
    assert.equal((await ask(server, { ...alice, path: `/${"x".repeat(9000)}` })).status, 431);
  });

  test("a port in use is named, with what to do", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    await assert.rejects(openServer(echo, { port }), (error) => {
      assert.ok(isQkdError(error, "PORT_IN_USE"));
      assert.match(error.message, new RegExp(`^127\\.0\\.0\\.1:${port} is in use; .*ss -ltnp`));
      return true;
    });
    taken.close();
  });
});

describe("closing", () => {
  test("a running request ends well, idle connections close, and no new one is accepted", async () => {
    const arrived = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const { server, scope } = await openServer(async ({ path }) => {
      if (path === "/slow") {
        arrived.resolve();
        await release.promise;
      }
      return reply("done");
    });
    const agent = new Agent({ keepAlive: true, ca: authority.ca, ...alice });
    await ask(server, { agent });
    const slow = ask(server, { ...alice, path: "/slow" });
    await arrived.promise;
    const closed = scope.close();
    await assert.rejects(ask(server, alice), { code: "ECONNREFUSED" });
    release.resolve();
    const answer = await slow;
    assert.equal(answer.body.toString(), "done");
    assert.equal(answer.headers["connection"], "close");
    await closed;
    agent.destroy();
  });

  test("what does not end within the grace is cut, also a handshake that never comes", async () => {
    const { server, scope } = await openServer(() => new Promise(() => undefined), { limits: { closeGraceMs: 100 } });
    const mute = connectTcp(server.port, "127.0.0.1");
    mute.on("error", () => undefined);
    await once(mute, "connect");
    const endless = ask(server, alice);
    endless.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await scope.close();
    await assert.rejects(endless);
    mute.destroy();
  });
});
