/** What changes a node, at a unix socket that only its user (and root) can open: drain, release from quarantine, zeroize. */
import { z } from "zod";

import { serveControlSocket } from "../io/control-socket.ts";
import type { OutOfServiceReport } from "../link/qkd-link.ts";
import type { LinkId } from "../model/ids.ts";
import { SECOND_MS } from "../model/units.ts";
import type { TrustedNode } from "../node/trusted-node.ts";
import type { AuditTrail } from "../runtime/audit-trail.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Scope } from "../runtime/scope.ts";
import type { Zeroize } from "./node-zeroize.ts";

/** The word that stands for "I know what this does". */
export const ZEROIZE_WORD = "destroy-all-keys";
export const LEAVE_MS_DEFAULT = 60 * SECOND_MS;
const LEAVE_LOOK_MS = 100;

const request = z.discriminatedUnion("ask", [
  z.strictObject({ ask: z.literal("drain"), leave: z.boolean(), withinMs: z.int().min(0).max(86_400_000) }),
  z.strictObject({ ask: z.literal("cancel-drain") }),
  z.strictObject({ ask: z.literal("quarantine") }),
  z.strictObject({ ask: z.literal("release"), link: z.string().min(1) }),
  z.strictObject({ ask: z.literal("zeroize"), confirm: z.literal(ZEROIZE_WORD) }),
]);
export type ControlRequest = z.input<typeof request>;

export interface NodeControlParts {
  readonly path: string;
  readonly node: Pick<TrustedNode, "id" | "drain" | "relaysUnderWay" | "links">;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly log: Logger;
  readonly zeroize: Zeroize;
  /** Ends the process in order. */
  readonly leave: (reason: string) => void;
}

/** @throws QkdError PORT_IN_USE when somebody listens at the path */
export async function serveNodeControl(parts: NodeControlParts, scope: Scope): Promise<void> {
  const control = new NodeControl(parts, scope);
  await serveControlSocket({ path: parts.path, name: "qkdnd", answer: (asked) => control.answer(asked) }, scope);
}

class NodeControl {
  readonly #parts: NodeControlParts;
  readonly #scope: Scope;
  /** Ends the wait for the last relay. */
  #leaving: AbortController | undefined;

  constructor(parts: NodeControlParts, scope: Scope) {
    this.#parts = parts;
    this.#scope = scope;
  }

  async answer(asked: unknown): Promise<{ readonly ok: boolean }> {
    const parsed = request.safeParse(asked);
    if (!parsed.success) throw new Error(`no such request: ${z.prettifyError(parsed.error)}`);
    const { node, zeroize } = this.#parts;
    switch (parsed.data.ask) {
      case "drain":
        this.#drain(parsed.data);
        return this.#state();
      case "cancel-drain":
        this.#leaving?.abort();
        this.#leaving = undefined;
        if (node.drain.active) this.#tell("cancelled");
        node.drain.cancel();
        return this.#state();
      case "quarantine":
        return { ok: true, node: node.id, links: outOfService(node) } as { readonly ok: boolean };
      case "release":
        return { ok: true, node: node.id, released: release(node, parsed.data.link) } as { readonly ok: boolean };
      case "zeroize":
        return { ok: true, node: node.id, ...(await zeroize("operator")) } as { readonly ok: boolean };
    }
  }

  #state(): { readonly ok: true } {
    const { node } = this.#parts;
    const state = { draining: node.drain.active, leaving: this.#leaving !== undefined };
    return { ok: true, node: node.id, ...state, relaysUnderWay: node.relaysUnderWay() } as { readonly ok: true };
  }

  #drain({ leave, withinMs }: { readonly leave: boolean; readonly withinMs: number }): void {
    if (!this.#parts.node.drain.active) this.#tell("draining");
    this.#parts.node.drain.begin();
    if (!leave || this.#leaving !== undefined) return;
    this.#tell("leaving");
    const leaving = new AbortController();
    this.#leaving = leaving;
    this.#scope.spawn("leave", () => this.#leave(withinMs, AbortSignal.any([leaving.signal, this.#scope.signal])));
  }

  /** When nothing is under way, or when the time is over. */
  async #leave(withinMs: number, cancelled: AbortSignal): Promise<void> {
    const { clock, node, leave } = this.#parts;
    const deadline = clock.monotonic() + withinMs;
    while (node.relaysUnderWay() > 0 && clock.monotonic() < deadline && !cancelled.aborted) {
      await clock.sleep(LEAVE_LOOK_MS, cancelled).catch(() => undefined);
    }
    if (!cancelled.aborted) leave(`drained, ${node.relaysUnderWay()} relays under way`);
  }

  #tell(state: "draining" | "leaving" | "cancelled"): void {
    this.#parts.audit.record({ event: "drain", state });
    this.#parts.log.info("drain", { state });
  }
}

type NodeOfLinks = Pick<TrustedNode, "links">;

/** Parts of links that failed too often, and wait. */
export interface QuarantinedPart extends OutOfServiceReport {
  readonly link: LinkId;
}

const outOfService = ({ links }: NodeOfLinks): readonly QuarantinedPart[] =>
  links.flatMap((link) => link.report().outOfService.map((part) => ({ link: link.id, ...part })));

/** @param name  of the link, or of the neighbour */
function release({ links }: NodeOfLinks, name: string): readonly string[] {
  const found = links.find(({ id, neighbour }) => id === name || neighbour === name);
  if (found !== undefined) return found.release();
  throw new Error(`there is no link "${name}"; there are: ${links.map(({ id }) => id).join(", ")}`);
}
