/** What a demo tells people: who takes part, and what they can try. */
import { join, relative } from "node:path";

import { percentText, rateText } from "../api/operator/text-table.ts";
import { LINK_PROFILES, rateOfProfile } from "../emulator/link-profiles.ts";
import { curlLines, quoted } from "./demo-curl.ts";
import type { DemoFibre } from "./demo-files.ts";
import type { DemoPlan } from "./demo-plan.ts";

const PROGRAMS = join(import.meta.dirname, "../../bin");

export function bannerLines(plan: DemoPlan, fibre: DemoFibre): readonly string[] {
  const { folder, nodes, links, shape } = plan;
  const cells = Math.max(...nodes.map(({ sae }) => sae.length));
  return [
    `qkdnd demo: a QKD network of ${nodes.length} trusted nodes (${shape}); an emulator plays their ${2 * links.length} modules`,
    "",
    ...nodes.map(({ sae, etsi014Url }) => `    ${sae.padEnd(cells)}  ${etsi014Url}`),
    "",
    `    links of ${fibreText(fibre)}:`,
    `    ${links.map(({ id }) => id).join(", ")}`,
    "",
    `Data folder: ${folder} (demo.json there is for other programs)`,
  ];
}

function fibreText({ profile, lengthKm = LINK_PROFILES[profile].lengthKm, rate }: DemoFibre): string {
  const { secretKeyRateBps, qber } = rateOfProfile(profile, lengthKm);
  return `${lengthKm} km (${profile}), ${rateText(rate ?? secretKeyRateBps)}, QBER ${percentText(qber)}`;
}

/** The two lines for a key, with a word of what they do. */
export function keyLines(plan: DemoPlan): readonly string[] {
  const [one, other] = plan.apart;
  return [
    `A key at ${one.id}, and the same key at ${other.id}: paste these two lines into another terminal.`,
    "",
    ...curlLines(plan),
  ];
}

/** What to try in another terminal, as commands for the folder where the demo was started. */
export function commandLines(plan: DemoPlan): readonly string[] {
  const [one] = plan.apart;
  const link = plan.links[0]!;
  const between = plan.nodes[1]!;
  const program = (name: string): string => quoted(shortest(join(PROGRAMS, name)));
  const control = quoted(shortest(plan.emulator.control ?? ""));
  const emulator = `${program("qkd-emulator")} ctl --control ${control}`;
  const demo = (act: string): string =>
    `${program("qkdnd")} demo ${act} ${between.id} --data-dir ${quoted(shortest(plan.folder))}`;
  return [
    `A key at ${one.id}, and the same key at ${plan.apart[1].id}:`,
    ...curlLines(plan),
    "",
    `Break the fibre ${link.id}, and mend it:`,
    ...(plan.emulator.control === undefined
      ? ["(the data folder's path is too long for a socket: choose a shorter one with --data-dir)"]
      : [`${emulator} cut ${link.id}`, `${emulator} restore ${link.id}`]),
    "",
    `Stop ${between.id}, and start it again; or kill it, and it comes back by itself:`,
    ...["stop", "start", "kill"].map(demo),
    "",
    `All that ${one.id} knows of itself; and a Prometheus that looks at all nodes:`,
    `${program("qkdctl")} status --url ${one.operatorUrl}`,
    `prometheus --config.file=${quoted(shortest(plan.prometheusFile))}`,
  ];
}

/** From the folder where the demo was started, when it is below. */
function shortest(path: string): string {
  const near = relative(process.cwd(), path);
  return near === "" || near.startsWith("..") ? path : near;
}
