/** A running process's ear: a unix socket for its owner, which takes one JSON object a line and answers each with one. */
import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { QkdError, sentenceOf } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";

/** Of `{"ok":true,…}` and `{"ok":false,"error":"…"}`, the second is made here of whatever `answer` throws. */
export interface ControlSocketParts {
  readonly path: string;
  /** Who listens, for the message that one does already: "emulator". */
  readonly name: string;
  readonly answer: (request: unknown) => Promise<{ readonly ok: boolean }>;
}

const LINE_CHARACTERS_MAX = 4096;

/** @throws QkdError PORT_IN_USE when somebody listens at the path */
export async function serveControlSocket(parts: ControlSocketParts, scope: Scope): Promise<void> {
  const { path, name } = parts;
  if (await answers(path)) throw new QkdError("PORT_IN_USE", `another ${name} listens at ${path}`, { path });
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    void serve(socket, parts);
  });
  server.listen(path);
  await once(server, "listening");
  await chmod(path, 0o600);
  scope.defer("control", () => close(server, sockets));
}

/** One question to a running process. @throws QkdError PEER_UNREACHABLE when none listens at the path */
export async function askControlSocket(
  { path, name, answerMsMax }: { readonly path: string; readonly name: string; readonly answerMsMax: number },
  request: unknown,
): Promise<unknown> {
  const socket = connect(path);
  try {
    socket.setTimeout(answerMsMax, () => socket.destroy(new Error("no answer")));
    socket.write(`${JSON.stringify(request)}\n`);
    const line = await createInterface({ input: socket })[Symbol.asyncIterator]().next();
    if (line.done === true) throw new Error("no answer");
    return JSON.parse(line.value) as unknown;
  } catch (error) {
    throw new QkdError("PEER_UNREACHABLE", `no ${name} at ${path}: ${sentenceOf(error)}`, { path }, error);
  } finally {
    socket.destroy();
  }
}

async function serve(socket: Socket, { answer }: ControlSocketParts): Promise<void> {
  try {
    for await (const line of createInterface({ input: socket })) {
      if (line.length > LINE_CHARACTERS_MAX) break;
      const reply = await replyTo(line, answer);
      socket.write(`${JSON.stringify(reply)}\n`);
    }
  } catch {
    // The asker has gone.
  }
  socket.end();
}

async function replyTo(line: string, answer: ControlSocketParts["answer"]): Promise<object> {
  try {
    return await answer(JSON.parse(line) as unknown);
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
