/** What a bench and its load process say to each other: one JSON object a line, an order each and a result each. */

/** An SAE, its node, and the files that prove who it is. */
export interface LoadSae {
  readonly id: string;
  readonly url: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** The first line. Every lane has connections of its own, and one request or pair under way. */
export interface LoadSetup {
  /** enc: the initiator asks for a key. pair: and then the target fetches its copy at the other node. */
  readonly work: "enc" | "pair";
  readonly initiator: LoadSae;
  readonly target: LoadSae;
  readonly lanes: number;
}

/** Each further line. Without a rate each lane works as fast as it is answered. */
export interface LoadOrder {
  readonly seconds: number;
  readonly perSecond?: number;
}

/** Times in ms: at a rate from the moment at which the request was due, so that a late answer counts for all who waited. */
export interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LoadResult {
  readonly done: number;
  /** By what came instead of a key. */
  readonly failures: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly delays: Readonly<Partial<Record<Step, Delays>>>;
  /** Of the load process itself, which shares the machine. */
  readonly processorSeconds: number;
}

export type Step = "enc" | "dec" | "pair";
