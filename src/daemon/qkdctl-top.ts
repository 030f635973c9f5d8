/** `qkdctl top`: one node, or all nodes of a demo, as a live picture. */
import { readFile } from "node:fs/promises";

import { onEndingSignals } from "../io/ending-signals.ts";
import { hasColours, isLiveTerminal, openLiveTerminal } from "../io/live-terminal.ts";
import { fetchStatus } from "../io/operator-client.ts";
import { createSystemClock } from "../io/system-clock.ts";
import { type FrameWords, networkFrame } from "../live-view/network-frame.ts";
import { NetworkHistory } from "../live-view/network-history.ts";
import type { NetworkView, ViewedNode } from "../live-view/network-view.ts";
import { terminalText } from "../live-view/styled-line.ts";
import { QkdError, sentenceOf } from "../model/errors.ts";
import { type NodeId, parseNodeId } from "../model/ids.ts";
import { SECOND_MS } from "../model/units.ts";
import type { WallMs } from "../runtime/clock.ts";

const LOOK_MS = SECOND_MS;
const ANSWER_MS_MAX = 2_000;
const CTRL_C = "\x03";
/** Where no terminal tells how wide a line may be. */
const PRINTED_SIZE = { columns: 100, rows: 200 };

/** The operator port of one node, or `demo.json` of a demo. */
export type TopPlace = { readonly url: URL } | { readonly demoFile: string };

type Look = (at: WallMs) => Promise<NetworkView>;

/** At a terminal until q or Ctrl-C; elsewhere it prints one picture. @throws QkdError where nobody can be asked */
export async function showTop(place: TopPlace): Promise<void> {
  const clock = createSystemClock();
  const look = "url" in place ? lookAtNode(place.url) : await lookAtDemo(place.demoFile);
  const history = new NetworkHistory();
  history.add(await look(clock.wall()));
  if (!isLiveTerminal(process.stdout, process.env)) {
    const frame = networkFrame(history, wordsFor(history, ""), PRINTED_SIZE);
    process.stdout.write(frame.map((each) => `${terminalText(each, false)}\n`).join(""));
    return;
  }
  const asked = new AbortController();
  const end = (): void => asked.abort();
  onEndingSignals({ first: end, again: end });
  const terminal = openLiveTerminal({
    output: process.stdout,
    input: process.stdin,
    onKey: (key) => void ((key === "q" || key === CTRL_C) && end()),
    onResize: () => redraw(),
  });
  const redraw = (): void =>
    terminal.draw(
      networkFrame(history, wordsFor(history, "q: end"), terminal.size).map((each) =>
        terminalText(each, hasColours(process.env)),
      ),
    );
  try {
    while (!asked.signal.aborted) {
      redraw();
      await clock.sleep(LOOK_MS, asked.signal).catch(() => undefined);
      history.add(await look(clock.wall()));
    }
  } finally {
    terminal.close();
  }
}

function wordsFor({ view }: NetworkHistory, right: string): FrameWords {
  const asked = (view?.nodes ?? []).filter(({ isAsked }) => isAsked).map(({ id }) => id);
  return {
    left: asked.length === 1 ? `node ${asked[0]!}` : `${asked.length} nodes`,
    right,
    timeOfDay: (at) => new Date(at).toTimeString().slice(0, "hh:mm:ss".length),
  };
}

/** The node itself, and its neighbours, of whom only it tells. */
function lookAtNode(url: URL): Look {
  let id: NodeId | undefined;
  let neighbours: readonly NodeId[] = [];
  return async (at) => {
    const answer = await fetchStatus(url, ANSWER_MS_MAX);
    if (typeof answer !== "string") {
      id = answer.node;
      neighbours = answer.links.map(({ neighbour }) => neighbour);
    } else if (id === undefined) throw new QkdError("PEER_UNREACHABLE", answer, { url: url.href });
    const self = id;
    const status = typeof answer === "string" ? undefined : answer;
    const others = neighbours.map((neighbour): ViewedNode => ({ id: neighbour, status: undefined, isAsked: false }));
    return {
      at,
      nodes: [{ id: self, status, isAsked: true }, ...others],
      links: neighbours.map((neighbour) => (self < neighbour ? [self, neighbour] : [neighbour, self])),
    };
  };
}

/** What `demo.json` tells of it. */
interface DemoFile {
  readonly nodes: readonly { readonly id: string; readonly operator: string }[];
  readonly links: readonly (readonly [string, string])[];
}

async function lookAtDemo(path: string): Promise<Look> {
  const { nodes, links } = await readDemo(path);
  const ends = links.map(([one, other]) => [parseNodeId(one), parseNodeId(other)] as const);
  return async (at) => {
    const viewed = nodes.map(async ({ id, operator }): Promise<ViewedNode> => {
      const answer = await fetchStatus(new URL(operator), ANSWER_MS_MAX);
      return { id: parseNodeId(id), status: typeof answer === "string" ? undefined : answer, isAsked: true };
    });
    return { at, nodes: await Promise.all(viewed), links: ends };
  };
}

async function readDemo(path: string): Promise<DemoFile> {
  try {
    const content = JSON.parse(await readFile(path, "utf8")) as Partial<DemoFile> | null;
    if (Array.isArray(content?.nodes) && Array.isArray(content.links)) return content as DemoFile;
  } catch (failure) {
    throw new QkdError("CONFIG_INVALID", `${path}: ${sentenceOf(failure)}; is a demo running there?`, { path });
  }
  throw new QkdError("CONFIG_INVALID", `${path} is no demo.json of a running demo`, { path });
}
