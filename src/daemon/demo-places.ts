/** What a demo needs of the machine before it begins: a folder that no other demo uses, and free ports. */
import { mkdir, stat } from "node:fs/promises";
import { type AddressInfo, type ListenOptions, type Server, createServer } from "node:net";

import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";
import { DEMO_HOST, DEMO_PORTS } from "./demo-plan.ts";

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
    const sentence = `the data folder ${folder} cannot be made: ${sentenceOf(cause)}; choose another with --data`;
    throw new QkdError("CONFIG_INVALID", sentence, { folder }, cause);
  }
  if (process.platform !== "linux") return;
  const { dev, ino } = await stat(folder, { bigint: true });
  const server = await listening({ path: `\0qkdnd-demo-${dev}-${ino}` }).catch((cause: unknown) => {
    const sentence = `a demo runs in ${folder} already; end it, or choose another folder with --data`;
    throw new QkdError("STORE_LOCKED", sentence, { folder }, cause);
  });
  scope.defer("give back the folder", () => closed(server));
}

/**
 * The ports from `basePort` on, or free ones for 0. They are given back at once: another program may still be quicker.
 *
 * @throws QkdError PORT_IN_USE  naming the port
 */
export async function findPorts(basePort: number): Promise<readonly number[]> {
  const wanted = Array.from({ length: DEMO_PORTS }, (_, at) => (basePort === 0 ? 0 : basePort + at));
  const servers: Server[] = [];
  try {
    for (const port of wanted) {
      servers.push(
        await listening({ host: DEMO_HOST, port }).catch((cause: unknown) => {
          throw portTaken(port, basePort, cause);
        }),
      );
    }
    return servers.map((server) => (server.address() as AddressInfo).port);
  } finally {
    await Promise.all(servers.map(closed));
  }
}

function portTaken(port: number, basePort: number, cause: unknown): QkdError {
  const range = `${basePort} to ${basePort + DEMO_PORTS - 1}`;
  const remedy = "take others with: npm start -- demo --base-port N (0: any free ones)";
  const sentence = `port ${port} is in use (the demo wants ${range} on ${DEMO_HOST}); ${remedy}`;
  return new QkdError("PORT_IN_USE", sentence, { port, basePort }, cause);
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
