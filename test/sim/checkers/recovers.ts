/** After the last fault every pool reaches its target again, and every link has its session. */
import type { PoolReport } from "../../../src/pre-establishment/pool-report.ts";
import type { TrustedNode } from "../../../src/node/trusted-node.ts";
import type { World } from "../world.ts";

const RECOVERY_MAX_MS = 60_000;

export async function checkRecovers(world: World): Promise<number> {
  const began = world.clock.now();
  const recovered = (): boolean => world.nodes.every((node) => waitingFor(node).length === 0);
  const inTime = await world.clock.runUntil(recovered, RECOVERY_MAX_MS);
  if (!inTime) {
    const waits = world.nodes.flatMap((node) => waitingFor(node).map((what) => `${node.id}: ${what}`));
    const links = world.nodes.flatMap((node) => (node.node?.links ?? []).map((link) => `${node.id} ${stateOf(link)}`));
    world.violate(`recovers: after ${RECOVERY_MAX_MS / 1000} s still ${waits.join("; ")}; links: ${links.join("; ")}`);
  }
  return world.clock.now() - began;
}

function waitingFor({ node }: World["nodes"][number]): string[] {
  if (node === undefined) return ["down"];
  const links = node.links.filter((link) => !link.up).map((link) => `no session on ${link.id}`);
  const pools = node.pools.outbound
    .filter((pool) => {
      const view = node.view(pool);
      return view.stockBytes < node.scheduler.report(pool).plan.lowKeys * view.keyBytes;
    })
    .map(
      (pool) => `pool for ${pool.id.remote} at ${pool.stockBytes} bytes (${reasonFor(node.scheduler.report(pool))})`,
    );
  return [...links, ...pools];
}

/** What a person would look at next. */
function stateOf(link: TrustedNode["links"][number]): string {
  const { outboundBytes, inboundBytes, openOutboundBytes, quarantineBytes, troubles } = link.report();
  const bytes = `${outboundBytes} out, ${openOutboundBytes} of it open, ${inboundBytes} in, ${quarantineBytes} in quarantine`;
  return `${link.id}: ${bytes}${troubles.map((trouble) => `, ${trouble}`).join("")}`;
}

const reasonFor = ({ plan, waits, orders }: PoolReport): string =>
  [plan.reason, waits, orders.at(-1)?.result?.outcome].filter((text) => text !== undefined).join("; ");
