/** The laws of the port over gRPC, mutual TLS and the loopback interface. */
import { describePeerTransport } from "./peer-transport.contract.ts";
import { createLoopbackNode, freeAddress, ids, serveOn, until } from "../fakes/grpc-loopback.ts";
import type { NodeId } from "../../src/model/ids.ts";
import type { PeerTransport } from "../../src/peer/peer-transport.ts";

const pass = (durationMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, durationMs));

describePeerTransport("gRPC on loopback", async () => {
  const { a, b, c, d } = ids;
  const addresses = new Map<NodeId, string>();
  const node = {
    a: await createLoopbackNode(a, addresses),
    b: await createLoopbackNode(b, new Map([[a, ""]])),
    impostor: await createLoopbackNode(b, new Map([[a, ""]])),
  };
  addresses.set(c, await freeAddress());
  addresses.set(d, await serveOn(node.impostor));
  /** Its address is known when it serves. */
  const servingB: PeerTransport = {
    serve: async (accept, scope) => {
      await node.b.transport.serve(accept, scope);
      addresses.set(b, `127.0.0.1:${node.b.transport.port}`);
    },
    connect: (remote, deadline) => node.b.transport.connect(remote, deadline),
  };
  return {
    a: node.a.transport,
    b: servingB,
    scope: node.b.scope,
    nobody: c,
    impostor: d,
    deadline: (durationMs) => AbortSignal.timeout(durationMs),
    settled: (promise) => promise,
    until,
    pass,
    close: async () => {
      for (const { scope } of Object.values(node)) await scope.close();
    },
  };
});
