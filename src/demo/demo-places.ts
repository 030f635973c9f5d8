/** What a demo needs of the machine before it begins: a folder that no other demo uses, and free ports. */
import { mkdir, stat } from "node:fs/promises";
import { type AddressInfo, type ListenOptions, type Server, createServer } from "node:net";

import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";
import { DEMO_HOST, type DemoPorts, PORTS_BETWEEN_NODES, PORT_OFFSETS } from "./demo-plan.ts";

const FREE_PORT_FIRST = 15_000;
const FREE_PORTS = 17_000;
const FREE_PORT_TRIES_MAX = 100;

/**
 * Makes the folder and keeps other demos out of it until `scope` closes or the process ends, by listening on a socket
 * of Linux's abstract namespace named after the folder.
 *
 * @throws QkdError CONFIG_INVALID  it cannot be made
 * @throws QkdError STORE_LOCKED    another demo runs there
 */
export async function openDemoFolder(folder: string, scope: Scope): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const sentence = `the data folder ${folder} cannot be made: ${sentenceOf(cause)}; choose another with --data-dir`;
    throw new QkdError("CONFIG_INVALID", sentence, { folder }, cause);
  }
  if (process.platform !== "linux") return;
  const { dev, ino } = await stat(folder, { bigint: true });
  const server = await listening({ path: `\0qkdnd-demo-${dev}-${ino}` }).catch((cause: unknown) => {
    const sentence = `a demo runs in ${folder} already; end it, or choose another folder with --data-dir`;
    throw new QkdError("STORE_LOCKED", sentence, { folder }, cause);
  });
  scope.defer("give back the folder", () => closed(server));
}

/**
 * Ports for so many nodes: fixed ones from `firstPort` on, or free ones for 0. They are given back at once: another
 * program may still be quicker.
 *
 * @throws QkdError PORT_IN_USE  naming the port
 */
export async function findPorts(firstPort: number, nodes: number): Promise<readonly DemoPorts[]> {
  const taken: Server[] = [];
  try {
    const ports: DemoPorts[] = [];
    for (let at = 0; at < nodes; at++) {
      const own = { kx: 0, etsi014: 0, operator: 0 };
      for (const use of PORT_USES) {
        const fixed = firstPort + at * PORTS_BETWEEN_NODES + PORT_OFFSETS[use];
        const server = firstPort === 0 ? await listeningAnywhere() : await listeningAt(fixed);
        taken.push(server);
        own[use] = (server.address() as AddressInfo).port;
      }
      ports.push(own);
    }
    return ports;
  } finally {
    await Promise.all(taken.map(closed));
  }
}

const PORT_USES = ["kx", "etsi014", "operator"] as const;

async function listeningAt(port: number): Promise<Server> {
  try {
    return await listening({ host: DEMO_HOST, port });
  } catch (cause) {
    const remedy = "take others with: npm start -- demo --base-port N (0: any free ones)";
    const sentence = `port ${port} is in use, and the demo wants it on ${DEMO_HOST}; ${remedy}`;
    throw new QkdError("PORT_IN_USE", sentence, { port }, cause);
  }
}

/**
 * Below the range from which Linux takes ports for connections: a node that is down for a while keeps its port.
 */
async function listeningAnywhere(): Promise<Server> {
  for (let tries = 0; tries < FREE_PORT_TRIES_MAX; tries++) {
    const port = FREE_PORT_FIRST + Math.floor(FREE_PORTS * Math.random());
    const server = await listening({ host: DEMO_HOST, port }).catch(() => undefined);
    if (server !== undefined) return server;
  }
  throw new QkdError("PORT_IN_USE", `no free port found on ${DEMO_HOST}; name one with --base-port`, {});
}

function listening(options: ListenOptions): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      server.unref();
      resolve(server);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
