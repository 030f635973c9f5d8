/**
 * One connection of a load: mutual TLS, HTTP/1.1, one request at a time, opened again when the node ends it.
 *
 * Node.js' own client costs as much processor time as the answer that it waits for, and load and daemon share the cores; so
 * this one reads no more of an answer than its status, its length and its body.
 */
import { connect, type TLSSocket } from "node:tls";

export interface LoadTls {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface LoadAnswer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const ANSWER_MS_MAX = 15_000;

export class KeepAliveConnection {
  readonly #port: number;
  readonly #tls: LoadTls;
  #socket: TLSSocket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { readonly done: (answer: LoadAnswer) => void; readonly failed: (reason: Error) => void } | undefined;

  constructor(url: string, tls: LoadTls) {
    this.#port = Number(new URL(url).port);
    this.#tls = tls;
  }

  /** Opens it ahead of the next request; nothing happens where it is open. */
  async open(): Promise<void> {
    if (this.#socket !== undefined) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect({ host: "127.0.0.1", port: this.#port, minVersion: "TLSv1.3", ...this.#tls }, resolve);
    socket.setNoDelay(true);
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error("no answer")));
    socket.on("error", (reason: Error) => {
      reject(reason);
      this.#lose(socket, reason);
    });
    socket.on("close", () => this.#lose(socket, new Error("the node ended the connection")));
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    this.#socket = socket;
    await promise;
  }

  /** @throws Error when there is no answer */
  async get(path: string): Promise<LoadAnswer> {
    await this.open();
    const { promise, resolve, reject } = Promise.withResolvers<LoadAnswer>();
    this.#waiting = { done: resolve, failed: reject };
    this.#socket!.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    return promise;
  }

  close(): void {
    this.#socket?.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#waiting === undefined) {
      // Nobody asked: a node tells a connection on which no request came in time that it ends it.
      this.#socket?.destroy();
      return;
    }
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const [, length] = /^content-length: (\d+)/im.exec(head) ?? [];
    const end = headEnd + HEAD_END.length + Number(length);
    if (this.#received.length < end) return;
    const answer = { status: Number(head.slice(9, 12)), body: this.#received.toString("latin1", headEnd + 4, end) };
    this.#received = this.#received.subarray(end);
    // After so many requests the node ends a connection: the next request comes on a new one.
    if (/^connection: close/im.test(head)) this.#socket = undefined;
    const { done } = this.#waiting;
    this.#waiting = undefined;
    done(answer);
  }

  #lose(socket: TLSSocket, reason: Error): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#received = Buffer.alloc(0);
    this.#waiting?.failed(reason);
    this.#waiting = undefined;
  }
}
