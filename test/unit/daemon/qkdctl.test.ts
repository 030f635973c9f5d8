/** qkdctl against a real operator port. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";

import { createOperatorHandlers, refuseOperatorExchange } from "../../../src/api/operator/handlers.ts";
import { renderMap } from "../../../src/api/operator/map-text.ts";
import type { NodeStatus } from "../../../src/api/operator/node-status.ts";
import { renderPlan } from "../../../src/api/operator/plan-text.ts";
import { renderStatus } from "../../../src/api/operator/status-text.ts";
import { runQkdctl } from "../../../src/daemon/qkdctl-program.ts";
import { openHttpServer } from "../../../src/io/http-server.ts";
import { type Scope, openScope } from "../../../src/runtime/scope.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";
import { badStatus, wellStatus } from "../../fakes/sample-status.ts";

let status: NodeStatus = wellStatus();
let url: string;
let scope: Scope;

before(async () => {
  const log = createRecordingLogger();
  scope = openScope("operator", log);
  const handle = createOperatorHandlers({
    health: () => status.health,
    status: () => status,
    metricsText: async () => ({ contentType: "text/plain", text: "" }),
  });
  ({ url } = await openHttpServer(
    { listen: { host: "127.0.0.1", port: 0 }, handle, refuse: refuseOperatorExchange, log },
    scope,
  ));
});
after(() => scope.close());

async function run(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  let out = "";
  let err = "";
  const exitCode = await runQkdctl(words, {
    environment,
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  });
  return { exitCode, out, err };
}

/** A port where nobody listens any more. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  return port;
}

describe("qkdctl status", () => {
  test("prints the status for people; 0 while all is well", async () => {
    status = wellStatus();
    assert.deepEqual(await run(["status", "--url", url]), { exitCode: 0, out: renderStatus(status), err: "" });
  });

  test("takes the URL from the environment, with or without a slash at its end", async () => {
    status = wellStatus();
    assert.equal((await run(["status"], { QKDCTL_URL: `${url}/` })).exitCode, 0);
  });

  test("is 1 when something needs a look, and says what; --json has all of it", async () => {
    status = badStatus();
    const people = await run(["status", "--url", url]);
    assert.equal(people.exitCode, 1);
    assert.match(people.out, /NOT READY\n! no link has a session\n/);
    const programs = await run(["status", "--json", "--url", url]);
    assert.equal(programs.exitCode, 1);
    assert.deepEqual(JSON.parse(programs.out), JSON.parse(JSON.stringify(status)));
  });

  test("is 69 where no node answers, or something else does", async () => {
    const silent = await run(["status", "--url", `http://127.0.0.1:${await freePort()}`]);
    assert.equal(silent.exitCode, 69);
    assert.match(silent.err, /^no answer from http:\/\/127\.0\.0\.1:\d+\/status: ECONNREFUSED; is qkdnd running/);
    const elsewhere = await run(["status", "--url", `${url}/healthz/`]);
    assert.equal(elsewhere.exitCode, 69);
    assert.match(elsewhere.err, /answers 404/);
  });
});

describe("qkdctl plan", () => {
  test("prints the plan of each pool that the node fills, for people and for programs", async () => {
    status = wellStatus();
    assert.deepEqual(await run(["plan", "--url", url]), { exitCode: 0, out: renderPlan(status), err: "" });
    const programs = await run(["plan", "--json", "--url", url]);
    const pools = status.pools.filter(({ direction }) => direction === "outbound");
    assert.deepEqual(JSON.parse(programs.out), JSON.parse(JSON.stringify({ node: status.node, pools })));
  });

  test("is 1 while a pool is empty or a request waits", async () => {
    status = badStatus();
    const { exitCode, out } = await run(["plan", "--url", url]);
    assert.equal(exitCode, 1);
    assert.match(out, /waits for pad towards the first hop/);
  });
});

describe("qkdctl map", () => {
  test("prints the network as the node knows it, for people and for programs; 0 while there is a way to every node", async () => {
    status = wellStatus();
    assert.deepEqual(await run(["map", "--url", url]), { exitCode: 0, out: renderMap(status), err: "" });
    const programs = await run(["map", "--json", "--url", url]);
    assert.deepEqual(JSON.parse(programs.out), JSON.parse(JSON.stringify(status.map)));
  });

  test("is 1 while there is no way to some node", async () => {
    status = badStatus();
    const { exitCode, out } = await run(["map", "--url", url]);
    assert.equal(exitCode, 1);
    assert.match(out, /NO ROUTE/);
  });
});

describe("the command line", () => {
  for (const words of [[], ["stats"], ["status", "--jsno"], ["status", "extra"], ["status", "--url", "localhost"]]) {
    test(`is 2 for "qkdctl ${words.join(" ")}", with help on standard error`, async () => {
      const { exitCode, out, err } = await run(words);
      assert.equal(exitCode, 2);
      assert.equal(out, "");
      assert.notEqual(err, "");
    });
  }

  test("--help teaches by examples, and lists the exit codes", async () => {
    for (const words of [["--help"], ["status", "--help"], ["map", "--help"]]) {
      const { exitCode, out } = await run(words);
      assert.equal(exitCode, 0);
      assert.match(out, /Examples:\n {2}qkdctl status\n/);
      assert.match(out, /69 {2}no node answers there/);
    }
  });
});
