/**
 * SAEs in a process of their own: plays a drawn demand against real nodes, fetches each key at its target, and tells how long
 * initiators waited. Reads one `LiveOrder` from standard input, writes one `LiveAnswer` to standard output.
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Arrival } from "./demand.ts";

export interface LiveOrder {
  readonly ca: string;
  readonly saes: readonly { readonly id: string; readonly url: string; readonly cert: string; readonly key: string }[];
  readonly arrivals: readonly Arrival[];
  /** Those before are asked as well, and not counted. */
  readonly countFromMs: number;
}

export interface LiveAnswer {
  readonly waitsMs: readonly number[];
  readonly refused: number;
}

const SOCKETS_MAX = 32;
const FETCH_MS_MAX = 1_000;
const ANSWER_MS_MAX = 15_000;

interface Sae {
  readonly id: string;
  readonly url: string;
  readonly agent: Agent;
}

async function ask({ url, agent }: Sae, path: string, message: unknown): Promise<{ status: number; body: string }> {
  const asking = request(`${url}/api/v1/keys/${path}`, {
    agent,
    method: "POST",
    headers: { "content-type": "application/json" },
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  asking.end(JSON.stringify(message));
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  return { status: response.statusCode!, body: await text(response) };
}

async function play({ ca, saes, arrivals, countFromMs }: LiveOrder): Promise<LiveAnswer> {
  const clients = saes.map(({ id, url, cert, key }): Sae => {
    return { id, url, agent: new Agent({ ca, cert, key, keepAlive: true, maxSockets: SOCKETS_MAX }) };
  });
  const waitsMs: number[] = [];
  let refused = 0;
  const serve = async ({ atMs, from, to, count, sizeBits }: Arrival): Promise<void> => {
    const [initiator, target] = [clients[from]!, clients[to]!];
    const askedAt = performance.now();
    const { status, body } = await ask(initiator, `${target.id}/enc_keys`, { number: count, size: sizeBits });
    if (atMs >= countFromMs) waitsMs.push(performance.now() - askedAt);
    if (status === 503) {
      if (atMs >= countFromMs) refused += 1;
      return;
    }
    if (status !== 200) throw new Error(`enc_keys answered ${status}: ${body}`);
    await sleep(FETCH_MS_MAX * Math.random());
    const ids = (JSON.parse(body) as { keys: { key_ID: string }[] }).keys.map(({ key_ID }) => ({ key_ID }));
    const fetched = await ask(target, `${initiator.id}/dec_keys`, { key_IDs: ids });
    if (fetched.status !== 200) throw new Error(`dec_keys answered ${fetched.status}: ${fetched.body}`);
  };
  const begunAt = performance.now();
  const running: Promise<void>[] = [];
  for (const arrival of arrivals) {
    const early = begunAt + arrival.atMs - performance.now();
    if (early > 0) await sleep(early);
    running.push(serve(arrival));
  }
  await Promise.all(running);
  for (const { agent } of clients) agent.destroy();
  return { waitsMs, refused };
}

process.stdout.write(JSON.stringify(await play(JSON.parse(await text(process.stdin)) as LiveOrder)));
