/** Ports that break one promise each, for sabotage: what the node is built on lies to it. */
import type { NodePorts } from "../../src/node/ports.ts";
import type { PeerSession } from "../../src/peer/peer-transport.ts";
import type { RecordDatabase } from "../../src/store/record-database.ts";

/** Writes are told as durable this long before they are: the flush is skipped. */
const CACHED_MS = 400;

/** A disk with a cache that lies. What was told last is gone after a crash. */
export function withoutFlushes(ports: NodePorts): NodePorts {
  const { database, clock } = ports;
  const write: RecordDatabase["write"] = (operations) => {
    const taken = operations.map((operation) =>
      operation.kind === "put" ? { ...operation, value: operation.value.slice() } : operation,
    );
    clock.after(CACHED_MS, () => void database.write(taken));
    return Promise.resolve();
  };
  const get: RecordDatabase["get"] = async (name) => {
    let found = await database.get(name);
    for (let waits = 0; found === undefined && waits < 2; waits++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.after(CACHED_MS, resolve);
      await promise;
      found = await database.get(name);
    }
    return found;
  };
  return { ...ports, database: { records: (prefix) => database.records(prefix), get, write } };
}

/** Tags of proposals depend on the life of who sends them, as if an incarnation stood under them. */
export function withLifeInTags(ports: NodePorts, life: number): NodePorts {
  const { transport } = ports;
  const marked = (session: PeerSession): PeerSession => ({
    remote: session.remote,
    listen: (listener) => session.listen(listener),
    close: (reason) => session.close(reason),
    send: (message) =>
      session.send(message.kind === "proposal" ? { ...message, tag: message.tag.map((byte) => byte ^ life) } : message),
  });
  return {
    ...ports,
    transport: {
      serve: (accept, scope) => transport.serve((session) => accept(marked(session)), scope),
      connect: async (remote, deadline) => marked(await transport.connect(remote, deadline)),
    },
  };
}
