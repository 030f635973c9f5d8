/** Nodes on the loopback interface that speak gRPC, with certificates of their own making. */
import { createServer } from "node:net";

import {
  type DemoAuthority,
  type LeafRequest,
  createDemoAuthority,
  peerLeaf,
} from "../../src/demo/demo-certificates.ts";
import { type GrpcPeerTransport, createGrpcPeerTransport } from "../../src/io/grpc-peer-transport.ts";
import type { PeerTlsFiles } from "../../src/io/grpc-peer-tls.ts";
import { type NodeId, parseNodeId } from "../../src/model/ids.ts";
import { type Scope, openScope } from "../../src/runtime/scope.ts";
import { type RecordingLogger, createRecordingLogger } from "./recording-logger.ts";

const HOST = "127.0.0.1";
const UNTIL_MS = 10_000;

let authority: Promise<DemoAuthority> | undefined;
/** One anchor for all tests of a file: what differs is what it signs. */
export const peersAuthority = (): Promise<DemoAuthority> => (authority ??= createDemoAuthority("test: nodes"));

export interface LoopbackNode {
  readonly transport: GrpcPeerTransport;
  readonly scope: Scope;
  readonly log: RecordingLogger;
}

/** What is unusual about a node. */
export interface LoopbackOptions {
  readonly leaf?: LeafRequest;
  readonly signedBy?: DemoAuthority;
  readonly tls?: PeerTlsFiles;
  readonly host?: string;
  readonly port?: number;
}

/** A node that calls `peers` where they are said to be. */
export async function createLoopbackNode(
  self: NodeId,
  peers: ReadonlyMap<NodeId, string>,
  { leaf = peerLeaf(self), signedBy, tls, host = HOST, port = 0 }: LoopbackOptions = {},
): Promise<LoopbackNode> {
  const log = createRecordingLogger();
  const authority = await peersAuthority();
  const files = tls ?? { ca: authority.ca, ...(await (signedBy ?? authority).issue(leaf)) };
  const transport = createGrpcPeerTransport({ self, listen: { host, port }, peers, tls: files, log });
  return { transport, scope: openScope(self, log), log };
}

/** Serves, and says where. */
export async function serveOn(
  { transport, scope }: LoopbackNode,
  accept: Parameters<GrpcPeerTransport["serve"]>[0] = () => undefined,
): Promise<string> {
  await transport.serve(accept, scope);
  return `${HOST}:${transport.port}`;
}

/** An address of this machine where nobody listens. */
export async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `${HOST}:${port}`;
}

export async function until(condition: () => boolean): Promise<void> {
  for (const startedAt = performance.now(); !condition(); await new Promise((resolve) => setTimeout(resolve, 2))) {
    if (performance.now() - startedAt > UNTIL_MS) throw new Error(`not after ${UNTIL_MS} ms: ${condition.toString()}`);
  }
}

export const ids = { a: parseNodeId("a"), b: parseNodeId("b"), c: parseNodeId("c"), d: parseNodeId("d") };
