/**
 * A running emulator's ear: a unix socket that takes one JSON object a line and answers each with one.
 *
 *   {"do":"unplug","link":"a--b","end":"a"}   ->  {"ok":true,"links":[{...}]}
 *   {"do":"status"}                           ->  {"ok":true,"links":[{...},{...}]}
 *   {"do":"dance"}                            ->  {"ok":false,"error":"..."}
 */
import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { z } from "zod";
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";
import { FAULT_NAMES, type EmulatedLinkState, type Emulator } from "./emulator.ts";

const requestSchema = z.union([
  z.strictObject({ do: z.literal("status") }),
  z.strictObject({ do: z.enum(FAULT_NAMES), link: z.string(), end: z.enum(["a", "b"]).optional() }),
]);

export type ControlRequest = z.output<typeof requestSchema>;

export type ControlReply =
  { readonly ok: true; readonly links: readonly EmulatedLinkState[] } | { readonly ok: false; readonly error: string };

const LINE_CHARACTERS_MAX = 4096;
const ANSWER_MS_MAX = 10_000;

/** Listens for its owner only. @throws QkdError PORT_IN_USE when another emulator listens at `path` */
export async function serveControl(path: string, emulator: Emulator, scope: Scope): Promise<void> {
  if (await answers(path)) throw new QkdError("PORT_IN_USE", `another emulator listens at ${path}`, { path });
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    void serve(socket, emulator);
  });
  server.listen(path);
  await once(server, "listening");
  await chmod(path, 0o600);
  scope.defer("control", () => close(server, sockets));
}

/** Asks a running emulator. @throws QkdError PEER_UNREACHABLE when none listens at `path` */
export async function askControl(path: string, request: ControlRequest): Promise<ControlReply> {
  const socket = connect(path);
  try {
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error("no answer")));
    socket.write(`${JSON.stringify(request)}\n`);
    const line = await createInterface({ input: socket })[Symbol.asyncIterator]().next();
    if (line.done === true) throw new Error("no answer");
    return JSON.parse(line.value) as ControlReply;
  } catch (error) {
    throw new QkdError("PEER_UNREACHABLE", `no emulator at ${path}: ${sentenceOf(error)}`, { path }, error);
  } finally {
    socket.destroy();
  }
}

async function serve(socket: Socket, emulator: Emulator): Promise<void> {
  try {
    for await (const line of createInterface({ input: socket })) {
      if (line.length > LINE_CHARACTERS_MAX) break;
      socket.write(`${JSON.stringify(await replyTo(line, emulator))}\n`);
    }
  } catch {
    // The asker has gone.
  }
  socket.end();
}

async function replyTo(line: string, emulator: Emulator): Promise<ControlReply> {
  try {
    const request = requestSchema.safeParse(JSON.parse(line));
    if (!request.success) return { ok: false, error: `do is one of: status, ${FAULT_NAMES.join(", ")}; with a link` };
    if (request.data.do === "status") return { ok: true, links: emulator.links() };
    const { do: name, link, end } = request.data;
    return { ok: true, links: [await emulator.cause({ name, link, end })] };
  } catch (error) {
    return { ok: false, error: sentenceOf(error) };
  }
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}
