/**
 * What a running emulator takes at its control socket:
 *
 *   {"do":"unplug","link":"a--b","end":"a"}   ->  {"ok":true,"links":[{...}]}
 *   {"do":"status"}                           ->  {"ok":true,"links":[{...},{...}]}
 *   {"do":"dance"}                            ->  {"ok":false,"error":"..."}
 */
import { z } from "zod";
import { askControlSocket, serveControlSocket } from "../io/control-socket.ts";
import type { Scope } from "../runtime/scope.ts";
import { FAULT_NAMES, type EmulatedLinkState, type Emulator } from "./emulator.ts";

const requestSchema = z.union([
  z.strictObject({ do: z.literal("status") }),
  z.strictObject({ do: z.enum(FAULT_NAMES), link: z.string(), end: z.string().optional() }),
]);

export type ControlRequest = z.output<typeof requestSchema>;

export type ControlReply =
  { readonly ok: true; readonly links: readonly EmulatedLinkState[] } | { readonly ok: false; readonly error: string };

const ANSWER_MS_MAX = 10_000;

/** Listens for its owner only. @throws QkdError PORT_IN_USE when another emulator listens at `path` */
export async function serveControl(path: string, emulator: Emulator, scope: Scope): Promise<void> {
  await serveControlSocket({ path, name: "emulator", answer: (request) => replyTo(request, emulator) }, scope);
}

/** Asks a running emulator. @throws QkdError PEER_UNREACHABLE when none listens at `path` */
export async function askControl(path: string, request: ControlRequest): Promise<ControlReply> {
  return (await askControlSocket({ path, name: "emulator", answerMsMax: ANSWER_MS_MAX }, request)) as ControlReply;
}

async function replyTo(asked: unknown, emulator: Emulator): Promise<ControlReply> {
  const request = requestSchema.safeParse(asked);
  if (!request.success) return { ok: false, error: `do is one of: status, ${FAULT_NAMES.join(", ")}; with a link` };
  if (request.data.do === "status") return { ok: true, links: emulator.links() };
  const { do: name, link, end } = request.data;
  return { ok: true, links: [await emulator.cause({ name, link, end })] };
}
