/** One lane of a load: an initiator and, for pairs, a target, each on a connection of its own. */
import { readFileSync } from "node:fs";
import { KeepAliveConnection, type LoadAnswer } from "./keep-alive-connection.ts";
import type { LoadSae, LoadSetup, Step } from "./load-protocol.ts";

/** When each step of one request or pair ended, in ms of `performance.now`. */
export type StepEnds = Readonly<Partial<Record<Step, number>>>;

export interface Lane {
  open(): Promise<void>;
  /** One request, or one pair. @throws Error naming what came instead of a key */
  work(): Promise<StepEnds>;
  close(): void;
}

export function createLane({ work, initiator, target }: LoadSetup): Lane {
  const asking = connectionOf(initiator);
  const fetching = work === "pair" ? connectionOf(target) : undefined;
  const encPath = `/api/v1/keys/${target.id}/enc_keys`;
  const decPath = `/api/v1/keys/${initiator.id}/dec_keys?key_ID=`;
  return {
    async open() {
      await asking.open();
      await fetching?.open();
    },
    async work() {
      const given = keyIn(await asking.get(encPath), "enc_keys");
      const enc = performance.now();
      if (fetching === undefined) return { enc };
      const copy = keyIn(await fetching.get(decPath + given.key_ID), "dec_keys");
      const pair = performance.now();
      if (copy.key !== given.key) throw new Error("the two ends were given different keys");
      return { enc, pair };
    },
    close() {
      asking.close();
      fetching?.close();
    },
  };
}

function connectionOf({ url, tls }: LoadSae): KeepAliveConnection {
  return new KeepAliveConnection(url, {
    ca: readFileSync(tls.ca),
    cert: readFileSync(tls.cert),
    key: readFileSync(tls.key),
  });
}

function keyIn({ status, body }: LoadAnswer, method: string): { readonly key_ID: string; readonly key: string } {
  if (status !== 200) throw new Error(`${method} answered ${status}`);
  return (JSON.parse(body) as { keys: [{ key_ID: string; key: string }] }).keys[0];
}
