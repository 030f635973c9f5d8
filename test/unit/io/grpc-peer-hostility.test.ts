/** Neighbours that are broken or hostile: they end their own session, nobody else's, and never the process. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  connect as connectHttp2,
} from "node:http2";
import { connect as connectTcp } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";

import { peerLeaf } from "../../../src/demo/demo-certificates.ts";
import { encodeEnvelope } from "../../../src/io/grpc-peer-codec.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import type { PeerMessage } from "../../../src/peer/peer-messages.ts";
import type { PeerSession } from "../../../src/peer/peer-transport.ts";
import {
  type LoopbackNode,
  createLoopbackNode,
  ids,
  peersAuthority,
  serveOn,
  until,
} from "../../fakes/grpc-loopback.ts";

const { a, b } = ids;

interface Ending {
  readonly session: PeerSession;
  readonly heard: PeerMessage[];
  readonly ends: string[];
}

let node: LoopbackNode;
let port: number;
let identity: ConnectionOptions;
let accepted: Ending[];
let raw: ClientHttp2Session[];

beforeEach(async () => {
  accepted = [];
  raw = [];
  node = await createLoopbackNode(b, new Map([[a, ""]]));
  await serveOn(node, (session) => {
    const ending: Ending = { session, heard: [], ends: [] };
    accepted.push(ending);
    session.listen({
      message: (message) => void ending.heard.push(message),
      ended: (reason) => void ending.ends.push(reason),
    });
  });
  port = node.transport.port!;
  const authority = await peersAuthority();
  identity = { ca: authority.ca, ...(await authority.issue(peerLeaf(a))), checkServerIdentity: () => undefined };
});

afterEach(async () => {
  for (const connection of raw) connection.destroy();
  await node.scope.close();
});

interface RawStream {
  readonly stream: ClientHttp2Stream;
  /** gRPC's status number, or the error of HTTP/2. */
  readonly status: Promise<string>;
}

/** A stream of neighbour a, byte by byte. */
function openRaw(headers: Readonly<Record<string, string>> = {}): RawStream {
  const connection = connectHttp2(`https://127.0.0.1:${port}`, identity);
  connection.on("error", () => undefined);
  raw.push(connection);
  const stream = connection.request({
    ":method": "POST",
    ":path": "/qkdn.kx.v1.KeyExchange/Session",
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.resume();
  const status = new Promise<string>((resolve) => {
    const see = (seen: IncomingHttpHeaders): void => {
      if (seen["grpc-status"] !== undefined) resolve(String(seen["grpc-status"]));
    };
    stream.on("response", see);
    stream.on("trailers", see);
    stream.on("error", (failure) => resolve(failure.message));
    stream.on("close", () => resolve("closed"));
  });
  return { stream, status };
}

/** A gRPC message: flag, length, content. */
function framed(content: Uint8Array, { flag = 0, length = content.length } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, content]);
}

const heartbeat = framed(encodeEnvelope({ kind: "heartbeat", demandBytesPerSecond: 1 }));

/** After whatever happened, a well-behaved neighbour is served. */
async function assertServes(): Promise<void> {
  const before = accepted.length;
  const neighbour = await createLoopbackNode(a, new Map([[b, `127.0.0.1:${port}`]]));
  const session = await neighbour.transport.connect(b, AbortSignal.timeout(3_000));
  session.send({ kind: "heartbeat", demandBytesPerSecond: 2 });
  await until(() => accepted.length > before && accepted.at(-1)!.heard.length === 1);
  session.close("that was all");
}

describe("hostile neighbours", () => {
  const refusedBytes: readonly (readonly [string, Buffer, RegExp])[] = [
    ["garbage instead of a message", framed(randomBytes(1_000)), /sent what is no message/],
    ["an empty message", framed(Buffer.alloc(0)), /no kind/],
    ["a kind that nobody knows", framed(Buffer.from("f20100", "hex")), /unknown kind 30/],
    ["a field of another type", framed(Buffer.from("12020801", "hex")), /wire type/],
  ];
  for (const [what, bytes, reason] of refusedBytes) {
    it(`${what} ends the session, with a reason in the log`, async () => {
      const { stream, status } = openRaw();
      stream.write(heartbeat);
      stream.write(bytes);
      assert.equal(await status, "0");
      await until(() => accepted[0]?.ends.length === 1);
      assert.match(accepted[0]!.ends[0]!, reason);
      assert.equal(accepted[0]!.heard.length, 1);
      assert.deepEqual(node.log.events("warn"), ["peer message refused"]);
      await assertServes();
    });
  }

  it("a message above the limit ends the session before it is taken in", async () => {
    const { stream, status } = openRaw();
    stream.write(framed(Buffer.alloc(100), { length: 2_000_000 }));
    assert.equal(await status, "8");
    await until(() => accepted[0]?.ends.length === 1);
    await assertServes();
  });

  it("a compressed message that would fill the memory is refused", async () => {
    const { stream, status } = openRaw({ "grpc-encoding": "gzip" });
    stream.write(framed(gzipSync(Buffer.alloc(64 * 1_048_576)), { flag: 1 }));
    assert.equal(await status, "8");
    await until(() => accepted[0]?.ends.length === 1);
    await assertServes();
  });

  it("what claims to be compressed and is not is refused", async () => {
    for (const encoding of ["gzip", "deflate", "br", "identity"]) {
      const { stream, status } = openRaw({ "grpc-encoding": encoding });
      stream.write(framed(randomBytes(100), { flag: 1 }));
      assert.notEqual(await status, "ok");
    }
    await until(() => accepted.every(({ ends }) => ends.length === 1));
    await assertServes();
  });

  it("other methods and other protocols are refused", async () => {
    assert.equal(await openRaw({ ":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" }).status, "12");
    assert.equal(await openRaw({ "content-type": "text/plain" }).status, "closed");
    assert.equal(await openRaw({ "grpc-timeout": "soon" }).status, "13");
    await until(() => accepted.every(({ ends }) => ends.length === 1));
    await assertServes();
  });

  it("a connection that breaks ends the session", async () => {
    const { stream, status } = openRaw();
    stream.write(heartbeat);
    await until(() => accepted[0]?.heard.length === 1);
    raw[0]!.destroy();
    await status;
    await until(() => accepted[0]!.ends.length === 1);
    assert.match(accepted[0]!.ends[0]!, /ended the stream|broke off|is lost/);
  });

  it("a neighbour that ends its stream without a word ends the session", async () => {
    const { stream, status } = openRaw();
    stream.end(heartbeat);
    assert.equal(await status, "0");
    await until(() => accepted[0]!.ends.length === 1);
    assert.equal(accepted[0]!.heard.length, 1);
  });

  it("a neighbour that does not read cannot keep the node from closing", async () => {
    const { stream } = openRaw();
    stream.write(heartbeat);
    await until(() => accepted[0]?.heard.length === 1);
    stream.pause();
    const frame = { kind: "frame", bytes: new Uint8Array(65_536) } as const;
    await until(() => !accepted[0]!.session.send(frame));
    const startedAt = performance.now();
    await node.scope.close();
    assert.ok(performance.now() - startedAt < 1_500);
    assert.equal(accepted[0]!.ends.length, 1);
  });

  it("a neighbour gets four sessions at a time: the next takes the place of the oldest", async () => {
    for (let i = 0; i < 4; i++) openRaw().stream.write(heartbeat);
    await until(() => accepted.filter(({ heard }) => heard.length === 1).length === 4);
    await assertServes();
    assert.deepEqual(
      accepted.slice(0, 4).map(({ ends }) => ends.length),
      [1, 0, 0, 0],
    );
    assert.match(accepted[0]!.ends[0]!, /newer sessions/);
  });

  it("bytes that are no TLS, and TLS that holds no HTTP/2, are refused", async () => {
    await new Promise((resolve) => {
      const socket = connectTcp(port, "127.0.0.1", () => socket.end(randomBytes(3_000)));
      socket.on("error", () => undefined).resume();
      socket.once("close", resolve);
    });
    await new Promise((resolve) => {
      const socket = connectTls({ ...identity, port, host: "127.0.0.1", ALPNProtocols: ["h2"] });
      socket.once("secureConnect", () => socket.end(randomBytes(3_000)));
      socket.on("error", () => undefined).resume();
      socket.once("close", resolve);
    });
    await assertServes();
    assert.equal(accepted.length, 1);
  });

  it("streams of random bytes are refused, one like the other", async () => {
    for (let i = 0; i < 40; i++) {
      const { stream, status } = openRaw();
      const content = randomBytes(1 + ((i * 37) % 500));
      stream.end(i % 2 === 0 ? content : framed(content, { flag: i % 3 === 0 ? 1 : 0 }));
      await status;
    }
    await assertServes();
  });
});

describe("the address of Kx", () => {
  it("is refused when it is taken, with a remedy", async () => {
    const other = await createLoopbackNode(a, new Map(), { port });
    await assert.rejects(serveOn(other), (failure) => {
      assert.ok(isQkdError(failure, "PORT_IN_USE"));
      assert.deepEqual(failure.facts, { host: "127.0.0.1", port });
      assert.match(failure.message, new RegExp(`127\\.0\\.0\\.1:${port}.*choose another port`));
      return true;
    });
  });

  it("is refused when it is none of this machine", async () => {
    const other = await createLoopbackNode(a, new Map(), { host: "192.0.2.1" });
    await assert.rejects(serveOn(other), (failure) => isQkdError(failure, "CONFIG_INVALID"));
  });

  it("certificates that are none are refused", async () => {
    await assert.rejects(
      createLoopbackNode(a, new Map(), { tls: { ca: "", cert: "nothing", key: "nothing" } }),
      (failure) => isQkdError(failure, "CONFIG_INVALID"),
    );
  });
});
