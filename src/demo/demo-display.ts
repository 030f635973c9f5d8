/** Shows a demo network until it is to end: at a terminal a live picture, elsewhere lines of what happens. */
import { type LiveTerminal, hasColours, isLiveTerminal, openLiveTerminal } from "../io/live-terminal.ts";
import { type FrameWords, networkFrame } from "../live-view/network-frame.ts";
import { NetworkHistory } from "../live-view/network-history.ts";
import { type NetworkView, isLow, linksOf, poolsOf } from "../live-view/network-view.ts";
import { terminalText } from "../live-view/styled-line.ts";
import { SECOND_MS } from "../model/units.ts";
import type { Clock, WallMs } from "../runtime/clock.ts";
import type { DemoNetwork } from "./demo-network.ts";
import type { DemoPlan } from "./demo-plan.ts";
import { commandLines } from "./demo-words.ts";

const LOOK_MS = SECOND_MS;
const SUMMARY_MS = 10_000;
/** Where nobody tells how wide a line may be. */
const LOG_SIZE = { columns: 100, rows: 200 };
const CTRL_C = "\x03";

export interface DemoDisplayParts {
  readonly plan: DemoPlan;
  readonly network: DemoNetwork;
  readonly clock: Clock;
  readonly print: (...lines: readonly string[]) => void;
  /** Aborts when the demo is to end. */
  readonly asked: AbortSignal;
  /** Somebody asks at the terminal that it ends. */
  readonly end: () => void;
  /** "12.3 s", since the demo was started. */
  readonly sinceStart: () => string;
}

export interface DemoDisplay {
  /** For people: what happened to a process. */
  tell(sentence: string): void;
  /** Until the demo is to end. */
  run(): Promise<void>;
}

export function createDemoDisplay(parts: DemoDisplayParts): DemoDisplay {
  return isLiveTerminal(process.stdout, process.env) ? new LiveDisplay(parts) : new LogDisplay(parts);
}

/** Every pool of every node is above its low mark. */
export function isStocked({ nodes }: DemoPlan, view: NetworkView): boolean {
  const pools = poolsOf(view);
  return pools.length === nodes.length * (nodes.length - 1) && pools.every(({ pool }) => !isLow(pool));
}

class LiveDisplay implements DemoDisplay {
  readonly #parts: DemoDisplayParts;
  readonly #history = new NetworkHistory();
  readonly #hasColours = hasColours(process.env);
  #terminal: LiveTerminal | undefined;
  #showsCommands = false;

  constructor(parts: DemoDisplayParts) {
    this.#parts = parts;
  }

  tell(sentence: string): void {
    this.#history.tell(this.#parts.clock.wall(), sentence, "warning");
    this.#redraw();
  }

  async run(): Promise<void> {
    const { plan, network, clock, asked, sinceStart } = this.#parts;
    this.#terminal = openLiveTerminal({
      output: process.stdout,
      input: process.stdin,
      onKey: (key) => this.#pressed(key),
      onResize: () => this.#redraw(),
    });
    let stocked = false;
    try {
      while (!asked.aborted) {
        const view = await network.view();
        this.#history.add(view);
        if (!stocked && isStocked(plan, view)) {
          stocked = true;
          this.#history.tell(view.at, `all pools are stocked after ${sinceStart()}`, "good");
        }
        if (!this.#showsCommands) this.#redraw();
        await clock.sleep(LOOK_MS, asked).catch(() => undefined);
      }
    } finally {
      this.#terminal.close();
      this.#terminal = undefined;
    }
  }

  #pressed(key: string): void {
    if (key === "q" || key === CTRL_C) this.#parts.end();
    else {
      this.#showsCommands = !this.#showsCommands && key === "c";
      this.#redraw();
    }
  }

  #redraw(): void {
    const terminal = this.#terminal;
    if (terminal === undefined) return;
    if (this.#showsCommands) {
      terminal.page(
        [...commandLines(this.#parts.plan), "", "Any key goes back to the network; q ends the demo."].join("\n"),
      );
      return;
    }
    const frame = networkFrame(this.#history, wordsOf(this.#parts), terminal.size);
    terminal.draw(frame.map((each) => terminalText(each, this.#hasColours)));
  }
}

class LogDisplay implements DemoDisplay {
  readonly #parts: DemoDisplayParts;
  readonly #history = new NetworkHistory();

  constructor(parts: DemoDisplayParts) {
    this.#parts = parts;
  }

  tell(sentence: string): void {
    this.#parts.print(sentence);
  }

  async run(): Promise<void> {
    const { plan, network, clock, asked, print, sinceStart } = this.#parts;
    let [stocked, summary, summaryAt] = [false, "", clock.monotonic()];
    while (!asked.aborted) {
      const view = await network.view();
      for (const { sentence } of this.#history.add(view)) print(`${sinceStart()}: ${sentence}`);
      if (!stocked && isStocked(plan, view)) {
        stocked = true;
        const frame = networkFrame(this.#history, wordsOf(this.#parts), LOG_SIZE);
        print(
          `All pools are stocked after ${sinceStart()}.`,
          "",
          ...frame.map((each) => terminalText(each, false)),
          "",
        );
      }
      if (clock.monotonic() - summaryAt >= SUMMARY_MS) {
        summaryAt = clock.monotonic();
        const now = summaryLine(view);
        if (now !== summary) print(`${sinceStart()}: ${now}`);
        summary = now;
      }
      await clock.sleep(LOOK_MS, asked).catch(() => undefined);
    }
  }
}

function wordsOf({ plan, sinceStart }: DemoDisplayParts): FrameWords {
  return {
    left: `qkdnd demo: ${plan.shape} of ${plan.nodes.length}, up ${sinceStart()}`,
    right: "c: commands to try  q: end",
    timeOfDay,
  };
}

/** As people here read it. */
function timeOfDay(at: WallMs): string {
  return new Date(at).toTimeString().slice(0, "hh:mm:ss".length);
}

/** One line, for a log. */
function summaryLine(view: NetworkView): string {
  const [links, pools] = [linksOf(view), poolsOf(view)];
  const up = links.filter(({ condition }) => condition === "up" || condition === "full").length;
  const stocked = pools.filter(({ pool }) => !isLow(pool)).length;
  const requests = view.nodes.reduce((sum, { status }) => sum + (status?.supply.requests ?? 0), 0);
  return `links ${up} of ${links.length} up, pools ${stocked} of ${pools.length} stocked, requests ${requests}`;
}
