/** A real Prometheus, as Debian packages it. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { until } from "./daemon-process.ts";
import { freePorts } from "./network-plan.ts";

/** Why these tests cannot run here, when whoever runs them says that this is known. @throws Error when nobody says so */
export function whyNoPrometheus(): string | false {
  if (["prometheus", "promtool"].every((program) => spawnSync(program, ["--version"]).error === undefined))
    return false;
  const remedy = "prometheus and promtool are not here: apt-get install prometheus";
  if (process.env["QKDND_WITHOUT_PROMETHEUS"] === "1") return remedy;
  throw new Error(`${remedy}; or leave out what needs them with QKDND_WITHOUT_PROMETHEUS=1`);
}

export function promtool(words: readonly string[], input?: string): { readonly code: number; readonly said: string } {
  const { status, stdout, stderr } = spawnSync("promtool", words, { encoding: "utf8", input: input ?? "" });
  return { code: status ?? -1, said: stdout + stderr };
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface ActiveAlert {
  readonly state: "pending" | "firing";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export class PrometheusServer {
  readonly #url: string;
  readonly #child: ChildProcess;
  #said = "";

  private constructor(url: string, child: ChildProcess) {
    this.#url = url;
    this.#child = child;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
    process.on("exit", () => child.kill("SIGKILL"));
  }

  static async start(configFile: string, folder: string): Promise<PrometheusServer> {
    const [port] = (await freePorts(1)) as [number];
    mkdirSync(folder);
    const words = [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ];
    const child = spawn("prometheus", words, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
    const server = new PrometheusServer(`http://127.0.0.1:${port}`, child);
    const isReady = async (): Promise<boolean> =>
      (await fetch(`${server.#url}/-/ready`).catch(() => undefined))?.ok ?? false;
    await until("Prometheus is ready", isReady, { explain: () => server.#said });
    return server;
  }

  /** @throws Error with what is wrong with the expression */
  async query(expression: string): Promise<readonly Series[]> {
    const { result } = await this.#ask<{ result: readonly Series[] }>("query", { query: expression });
    return result;
  }

  async alerts(name: string): Promise<readonly ActiveAlert[]> {
    const { alerts } = await this.#ask<{ alerts: readonly ActiveAlert[] }>("alerts", {});
    return alerts.filter(({ labels }) => labels["alertname"] === name);
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }

  async #ask<Data>(what: string, query: Readonly<Record<string, string>>): Promise<Data> {
    const answer = await fetch(`${this.#url}/api/v1/${what}?${new URLSearchParams(query).toString()}`);
    const { status, error, data } = (await answer.json()) as { status: string; error?: string; data: Data };
    if (status !== "success") throw new Error(`${query["query"] ?? what}: ${error ?? answer.status}`);
    return data;
  }
}
