/** An SAE of a test network: asks its node over mutual TLS, as an encryptor does, on connections that stay open. */
import { Agent, request } from "node:https";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly ms: number;
}

export interface GivenKey {
  readonly key_ID: string;
  readonly key: string;
}

export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface TlsClientFiles {
  readonly ca: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

const ANSWER_MS_MAX = 15_000;

export class SaeClient {
  readonly id: string;
  readonly #url: string;
  readonly #agent: Agent;
  /** Of the answers with keys. */
  readonly latencies = { enc: [] as number[], dec: [] as number[] };

  constructor(id: string, url: string, tls: TlsClientFiles) {
    this.id = id;
    this.#url = url;
    this.#agent = new Agent({ ...tls, keepAlive: true, maxSockets: 1 });
  }

  /** @throws Error when there is no answer */
  ask(path: string, { method = "GET", headers = {}, body }: Question = {}): Promise<Answer> {
    const begun = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const asking = request(`${this.#url}${path}`, {
      agent: this.#agent,
      method,
      headers: { ...length, ...headers },
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    asking.on("error", reject);
    asking.on("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(pieces).toString("utf8");
        resolve({ status: response.statusCode!, headers: response.headers, text, ms: performance.now() - begun });
      });
    });
    asking.end(body);
    return promise;
  }

  post(path: string, message: unknown): Promise<Answer> {
    const headers = { "content-type": "application/json" };
    return this.ask(path, { method: "POST", headers, body: JSON.stringify(message) });
  }

  /** New keys to share with `target`; by GET where `by` says so. */
  enc(target: string, wish: { number?: number; size?: number } = {}, by: "GET" | "POST" = "POST"): Promise<Answer> {
    const path = `${pathOf(target)}/enc_keys`;
    const query = new URLSearchParams(
      Object.entries(wish).map(([name, value]): [string, string] => [name, String(value)]),
    );
    return by === "POST" ? this.post(path, wish) : this.ask(`${path}${query.size > 0 ? `?${query.toString()}` : ""}`);
  }

  /** The copies of keys that `initiator` has; one id can be asked for by GET. */
  dec(initiator: string, ids: readonly string[], by: "GET" | "POST" = "POST"): Promise<Answer> {
    const path = `${pathOf(initiator)}/dec_keys`;
    if (by === "GET") return this.ask(`${path}?key_ID=${ids[0]}`);
    return this.post(path, { key_IDs: ids.map((id) => ({ key_ID: id })) });
  }

  async newKeys(
    target: string,
    wish: { number?: number; size?: number } = {},
    by?: "GET" | "POST",
  ): Promise<GivenKey[]> {
    const answer = await this.enc(target, wish, by);
    this.latencies.enc.push(answer.ms);
    return keysOf(answer);
  }

  async copies(initiator: string, ids: readonly string[], by?: "GET" | "POST"): Promise<GivenKey[]> {
    const answer = await this.dec(initiator, ids, by);
    this.latencies.dec.push(answer.ms);
    return keysOf(answer);
  }

  /** "stored_key_count" of the standard, and what else stands beside it. */
  async status(target: string): Promise<Record<string, unknown>> {
    const answer = await this.ask(`${pathOf(target)}/status`);
    if (answer.status !== 200) throw new Error(`status answers ${answer.status}: ${answer.text}`);
    return JSON.parse(answer.text) as Record<string, unknown>;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** @throws Error for any answer but one with keys */
export function keysOf({ status, text }: Answer): GivenKey[] {
  if (status !== 200) throw new Error(`no keys but ${status}: ${text}`);
  return (JSON.parse(text) as { keys: GivenKey[] }).keys;
}

export const idsOf = (keys: readonly GivenKey[]): string[] => keys.map(({ key_ID }) => key_ID);

const pathOf = (sae: string): string => `/api/v1/keys/${encodeURIComponent(sae)}`;

/** "p50 3 ms, p99 12 ms, max 20 ms" */
export function spread(ms: readonly number[]): string {
  const sorted = [...ms].sort((one, other) => one - other);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1);
  return `n ${sorted.length}, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms`;
}
