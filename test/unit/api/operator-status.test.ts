/** What an operator reads. The texts are golden: a change of them is a change to look at. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { ApiReply } from "../../../src/api/api-request.ts";
import { createOperatorHandlers, refuseOperatorExchange } from "../../../src/api/operator/handlers.ts";
import { ALARM_TYPES, type HealthReport, troublesOf } from "../../../src/api/operator/node-status.ts";
import { collectOperator, createOperatorMetrics } from "../../../src/api/operator/operator-metrics.ts";
import { renderPlan } from "../../../src/api/operator/plan-text.ts";
import { renderStatus } from "../../../src/api/operator/status-text.ts";
import { bytesText, countText, durationText, rateText } from "../../../src/api/operator/text-table.ts";
import { createMemoryMetrics } from "../../fakes/memory-metrics.ts";
import { READY, badStatus, wellStatus } from "../../fakes/sample-status.ts";

const WELL = `node node-a, qkdnd 0.1.0, up 3 d 4 h, ready

links
  neighbour  session  module       qber       rate  quarantine  outbound   inbound      open  equipment
  node-b     up       generating  2.1 %  12.4 kb/s    1.17 KiB   640 KiB  63.5 KiB  8.00 KiB  acme Q7 0042

pools
  remote    direction  class     keys  target  low     stock  in flight  fill
  far-node  outbound   default  1,204   2,000  500  37.6 KiB   8.00 KiB  60 %
  far-node  inbound    default     20       -    -     640 B          0

ledger, in bytes
  owner                      received  quarantine    stock   open    pads  tags  supplied  sum
  link/node-a--node-b         800,000       1,200  720,360  8,192  70,000   248         0   ok
  outbound/far-node/default    42,624           0   38,528      0       0     0     4,096   ok

supply since start
  131 requests: 128 keys (4.00 KiB) supplied, 2 refused, 1 for want of key

store
  1.18 MiB of key, 5.00 GiB of disk free, epoch 1790000000

audit trail
  /var/lib/qkdnd/node-a/audit
  head 4212:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

certificates
  for   subject    days left
  SAEs  CN=node-a         23
`;

const BAD = `node node-a, qkdnd 0.1.0, up 8 s, NOT READY
! no link has a session
! store: disk full: intake stopped
! link to node-b: no session with the neighbour
! link to node-b: the module is absent: no answer on /dev/ttyUSB0
! link to node-b: 3 proofs were wrong within a minute
! the ledger of link/node-a--node-b is off by 40 bytes
! the audit trail cannot be written: ENOSPC: no space left on device, write
! certificate for peers: expired
! certificate for SAEs: expires in 3 days

links
  neighbour  session  module  qber  rate  quarantine  outbound   inbound      open  equipment
  node-b     down     absent     -     -    1.17 KiB   640 KiB  63.5 KiB  8.00 KiB  -

pools
  remote    direction  class    keys  target  low     stock  in flight   fill
  far-node  outbound   default   499   2,000  500  37.6 KiB   8.00 KiB    LOW
  far-node  inbound    default     0       -    -         0          0  EMPTY

ledger, in bytes
  owner                received  burned        sum
  link/node-a--node-b       100      60  OFF BY 40

supply since start
  131 requests: 128 keys (4.00 KiB) supplied, 2 refused, 1 for want of key

store
  0 of key

audit trail
  /var/lib/qkdnd/node-a/audit
  head 4212:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

certificates
  for    subject    days left
  peers  CN=node-a         -1
  SAEs   CN=node-a          3
`;

describe("the status as text", () => {
  test("of a node that is well", () => {
    assert.equal(renderStatus(wellStatus()), WELL);
  });

  test("of a node in trouble: first what needs a look", () => {
    assert.equal(renderStatus(badStatus()), BAD);
  });

  test("of a node that has nothing yet", () => {
    const { certificates, ...status } = wellStatus();
    assert.equal(certificates?.length, 1);
    const text = renderStatus({ ...status, links: [], pools: [], ledger: [], health: { ...READY, live: false } });
    assert.match(text, /^node node-a, qkdnd 0.1.0, up 3 d 4 h, NOT LIVE\n\nlinks: none\n\npools: none\n/);
    assert.doesNotMatch(text, /certificates/);
  });

  test("no line ends with blanks, and none is wider than a terminal of 120", () => {
    for (const line of (renderStatus(wellStatus()) + renderStatus(badStatus())).split("\n")) {
      assert.equal(line, line.trimEnd());
      assert.ok(line.length <= 120, line);
    }
  });
});

describe("troubles", () => {
  test("a node that is well has none, also with pools below their targets", () => {
    assert.deepEqual(troublesOf(wellStatus()), []);
  });

  test("a faulty module is one, with what it says", () => {
    const status = wellStatus();
    const [link] = status.links;
    const module = { ...link!.module, state: "faulty" as const, reason: "QBER above 11 %" };
    assert.deepEqual(troublesOf({ ...status, links: [{ ...link!, module }] }), [
      "link to node-b: the module is faulty: QBER above 11 %",
    ]);
  });
});

describe("split pools", () => {
  const withSplit = (whenTooFewRoutes: "wait" | "degrade" | "refuse") => {
    const status = wellStatus();
    const split = { wantedRoutes: 2, routes: 1, whenTooFewRoutes, degradedBytes: 640 };
    return { ...status, pools: status.pools.map((pool) => ({ ...pool, split })) };
  };

  test("with too few routes are a trouble where the policy says so, and once", () => {
    assert.deepEqual(troublesOf(withSplit("wait")), []);
    const refused = "pool for far-node, default: nothing is relayed: 1 of 2 disjoint routes are there";
    assert.deepEqual(troublesOf(withSplit("refuse")), [refused]);
  });

  test("show their routes, and what of the stock is degraded", () => {
    assert.match(renderStatus(withSplit("degrade")), /fill +routes +degraded\n.* 60 % +1 of 2 +640 B\n/);
    assert.match(renderPlan(withSplit("degrade")), /disjoint routes\n.* 1 of 2\n/);
  });
});

test("alarms are counted by what they are about", () => {
  const metrics = createMemoryMetrics();
  collectOperator(createOperatorMetrics(metrics), badStatus());
  const counts = Object.entries(ALARM_TYPES).map(([type, severity]) => [
    type,
    metrics.value("qkdn_alarm_active", severity, type),
  ]);
  assert.deepEqual(Object.fromEntries(counts), {
    node: 1,
    store: 1,
    session: 1,
    module: 1,
    link: 1,
    ledger: 1,
    certificate: 2,
    audit: 1,
    pool: 0,
    clock: 0,
  });
  assert.equal(metrics.value("qkdn_node_ready"), 0);
});

describe("quantities", () => {
  test("are short and keep three digits", () => {
    const bytes = [0, 1, 1023, 1024, 10_240, 102_400, 1_048_000, 1_048_576, 5e9, 3e13].map(bytesText);
    assert.deepEqual(bytes, [
      "0",
      "1 B",
      "1023 B",
      "1.00 KiB",
      "10.0 KiB",
      "100 KiB",
      "1023 KiB",
      "1.00 MiB",
      "4.66 GiB",
      "27.3 TiB",
    ]);
    const rates = [0, 980.4, 12_400, 115_800_000, 999_900].map(rateText);
    assert.deepEqual(rates, ["0 b/s", "980 b/s", "12.4 kb/s", "116 Mb/s", "1.00 Mb/s"]);
    const durations = [0, 999, 8_500, 60_000, 3_661_000, 86_400_000, 90_061_000].map(durationText);
    assert.deepEqual(durations, ["0 s", "0 s", "8 s", "1 min", "1 h 1 min", "1 d", "1 d 1 h"]);
    assert.deepEqual([0, 999, 1000, 1_234_567].map(countText), ["0", "999", "1,000", "1,234,567"]);
  });
});

describe("the operator's port", () => {
  const ask = (path: string, options: { method?: string; health?: HealthReport } = {}): Promise<ApiReply> => {
    const answer = createOperatorHandlers({
      health: () => options.health ?? READY,
      status: wellStatus,
      metricsText: async () => ({ contentType: "text/plain; version=0.0.4", text: "qkdn_x 1\n" }),
    });
    const method = options.method ?? "GET";
    return answer({ method, path, query: "", contentType: undefined, body: new Uint8Array(0) });
  };
  const textOf = ({ body }: ApiReply) => new TextDecoder().decode(body);

  test("a node that is live and not ready: /healthz 200, /readyz 503 with the reasons", async () => {
    const health: HealthReport = { live: true, ready: false, reasons: ["store is opening"] };
    assert.equal((await ask("/healthz", { health })).status, 200);
    const reply = await ask("/readyz", { health });
    assert.equal(reply.status, 503);
    assert.deepEqual(JSON.parse(textOf(reply)), health);
    assert.equal((await ask("/healthz", { health: { ...health, live: false } })).status, 503);
    assert.equal((await ask("/readyz")).status, 200);
  });

  test("the status comes as JSON and as text", async () => {
    assert.deepEqual(JSON.parse(textOf(await ask("/status"))), JSON.parse(JSON.stringify(wellStatus())));
    assert.equal(textOf(await ask("/status.txt")), WELL);
  });

  test("metrics keep their own content type", async () => {
    const reply = await ask("/metrics", { method: "HEAD" });
    assert.equal(reply.contentType, "text/plain; version=0.0.4");
    assert.equal(textOf(reply), "qkdn_x 1\n");
  });

  test("nothing but reading is allowed, and nothing else is there", async () => {
    const reply = await ask("/status", { method: "POST" });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers["allow"], "GET, HEAD");
    for (const path of ["/", "/status/", "constructor", "/__proto__"]) assert.equal((await ask(path)).status, 404);
    assert.equal(refuseOperatorExchange({ kind: "body-too-large", bodyBytesMax: 1 }).status, 413);
  });
});
