/**
 * What a running demo takes at its control socket, from `qkdnd demo stop NODE` and the like:
 *
 *   {"do":"stop","node":"celle"}    ->  {"ok":true}
 *   {"do":"stop","node":"venice"}   ->  {"ok":false,"error":"there is no node \"venice\"; there are: ..."}
 */
import { z } from "zod";

import { askControlSocket, serveControlSocket } from "../io/control-socket.ts";
import { QkdError } from "../model/errors.ts";
import type { Scope } from "../runtime/scope.ts";
import type { DemoNetwork } from "./demo-network.ts";
import { demoControlPath } from "./demo-plan.ts";
import { NODE_ACT_NAMES, type NodeAct } from "./node-act.ts";

const requestSchema = z.strictObject({ do: z.enum(NODE_ACT_NAMES), node: z.string() });

/** A start that waits until the node is ready takes longest. */
const ANSWER_MS_MAX = 70_000;

export async function serveDemoControl(path: string, network: DemoNetwork, scope: Scope): Promise<void> {
  const answer = async (asked: unknown): Promise<{ readonly ok: true }> => {
    const request = requestSchema.safeParse(asked);
    if (!request.success) {
      throw new QkdError("REQUEST_INVALID", `do is one of: ${NODE_ACT_NAMES.join(", ")}; with a node`, {});
    }
    await network.act(request.data.do, request.data.node);
    return { ok: true };
  };
  await serveControlSocket({ path, name: "demo", answer }, scope);
}

/** @throws QkdError PEER_UNREACHABLE  no demo runs in that folder. REQUEST_INVALID  it refuses, and says why */
export async function askDemo(folder: string, act: NodeAct, node: string): Promise<void> {
  const place = { path: demoControlPath(folder), name: "demo", answerMsMax: ANSWER_MS_MAX };
  const reply = (await askControlSocket(place, { do: act, node })) as { readonly ok: boolean; readonly error?: string };
  if (!reply.ok) throw new QkdError("REQUEST_INVALID", reply.error ?? "the demo refuses", { node });
}
