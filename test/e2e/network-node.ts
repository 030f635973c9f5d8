/** One node of a test network: its daemon's process, and what its operator can see of it. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { missingBytes, type NodeStatus, type PoolStatus } from "../../src/api/operator/node-status.ts";
import { nodeEnvironment, nodeFlags } from "../fakes/unit-file.ts";
import { DaemonProcess, until } from "./daemon-process.ts";
import type { NodePlan } from "./network-plan.ts";

export class NetworkNode {
  readonly id: string;
  readonly folder: string;
  readonly configFile: string;
  readonly ports: NodePlan["ports"];
  readonly process: DaemonProcess;
  readonly etsi014Url: string;
  readonly #operatorUrl: string;

  /** @param program  of Node.js: its options, and the file to run */
  constructor({ id, folder, configFile, ports }: NodePlan, program: readonly string[]) {
    this.id = id;
    this.folder = folder;
    this.configFile = configFile;
    this.ports = ports;
    const words = [...nodeFlags, ...program, "run", "--config", configFile]; // as the unit runs it
    this.process = new DaemonProcess({
      name: id,
      words,
      environment: nodeEnvironment,
      logFile: join(folder, "daemon.log"),
    });
    this.etsi014Url = `https://127.0.0.1:${ports.etsi014}`;
    this.#operatorUrl = `http://127.0.0.1:${ports.operator}`;
  }

  /** Until SAEs may come. @returns how long that took, in ms */
  async ready(seconds = 30): Promise<number> {
    const begun = performance.now();
    const explain = (): string => lastLines(this.process.log);
    const isReady = async (): Promise<boolean> => {
      if (!this.process.running) throw new Error(`${this.id} has ended\n${explain()}`);
      return (await fetch(`${this.#operatorUrl}/readyz`).catch(() => undefined))?.ok ?? false;
    };
    await until(`${this.id} is ready`, isReady, { seconds, everyMs: 20, explain });
    return performance.now() - begun;
  }

  /** Starts its daemon. @returns how long it took until SAEs could come, in ms */
  start(): Promise<number> {
    this.process.start();
    return this.ready();
  }

  async text(path: string): Promise<string> {
    const answer = await fetch(`${this.#operatorUrl}${path}`);
    return answer.text();
  }

  async status(): Promise<NodeStatus> {
    return JSON.parse(await this.text("/status")) as NodeStatus;
  }

  async link(neighbour: string): Promise<NodeStatus["links"][number]> {
    return (await this.status()).links.find((link) => link.neighbour === neighbour)!;
  }

  async pool(remote: string, direction: PoolStatus["direction"]): Promise<PoolStatus> {
    return (await this.status()).pools.find((pool) => pool.remote === remote && pool.direction === direction)!;
  }

  /** @returns undefined where there is no such sample */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const samples = (await this.text("/metrics")).split("\n").filter((line) => new RegExp(`^${name}[{ ]`).test(line));
    const sample = samples.find((line) => wanted.every((part) => line.includes(part)));
    return sample === undefined ? undefined : Number(sample.slice(sample.lastIndexOf(" ")));
  }

  /** Until every pool that it fills holds what is wanted of it: not below the low mark, and nothing under way. */
  async filled(seconds: number): Promise<void> {
    let pools: readonly PoolStatus[] = [];
    const isFilled = async (): Promise<boolean> => {
      pools = (await this.status()).pools.filter(({ direction }) => direction === "outbound");
      return pools.every(({ keys, lowKeys, inFlightBytes }) => keys >= lowKeys! && inFlightBytes === 0);
    };
    await until(`the pools of ${this.id} are filled`, isFilled, { seconds, explain: () => JSON.stringify(pools) });
  }

  /** Until all its links have a session and a module that generates. */
  async linksWork(seconds = 30): Promise<void> {
    let links: NodeStatus["links"] = [];
    const allWork = async (): Promise<boolean> => {
      links = (await this.status()).links;
      return links.every(({ session, module }) => session === "up" && module.state === "generating");
    };
    await until(`the links of ${this.id} work`, allWork, { seconds, explain: () => JSON.stringify(links) });
  }

  /** Every byte of key that ever came is in one account; of links and of pools. */
  async assertLedgerAddsUp(): Promise<void> {
    const { ledger } = await this.status();
    assert.ok(ledger.length > 0, `${this.id} has a ledger`);
    for (const { owner, balances } of ledger) {
      assert.equal(missingBytes(balances), 0, `the ledger of ${owner} at ${this.id}: ${JSON.stringify(balances)}`);
    }
  }

  /** What is on its disk: LevelDB, key bag, nv, configuration, log. */
  files(): { readonly path: string; readonly bytes: Buffer }[] {
    const found = readdirSync(this.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return found.flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      try {
        return [{ path, bytes: readFileSync(path) }];
      } catch (failure) {
        if ((failure as NodeJS.ErrnoException).code === "ENOENT") return []; // LevelDB tidies up while we look
        throw failure;
      }
    });
  }
}

const lastLines = (text: string): string => text.split("\n").slice(-20).join("\n");
