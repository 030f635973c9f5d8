/** The operator's plain server, and what happens when a bug of ours shows itself in a request. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, describe, test } from "node:test";

import type { ApiReply } from "../../../src/api/api-request.ts";
import { refuseOperatorExchange } from "../../../src/api/operator/handlers.ts";
import { openHttpServer } from "../../../src/io/http-server.ts";
import { openScope } from "../../../src/runtime/scope.ts";
import { createRecordingLogger } from "../../fakes/recording-logger.ts";

describe("the operator's server", () => {
  const log = createRecordingLogger();
  const scope = openScope("operator", log);
  after(() => scope.close());
  const handle = async ({
    path,
    query,
    body,
  }: {
    path: string;
    query: string;
    body: Uint8Array;
  }): Promise<ApiReply> => ({
    status: 200,
    contentType: "text/plain",
    headers: { "x-query": query },
    body: new TextEncoder().encode(`${path} ${body.length}`),
  });

  test("passes path, query and body on, undecoded; HEAD has a length and no body", async () => {
    const listen = { host: "127.0.0.1", port: 0 };
    const limits = { bodyBytesMax: 4 };
    const { url, port } = await openHttpServer({ listen, handle, refuse: refuseOperatorExchange, log, limits }, scope);
    assert.equal(url, `http://127.0.0.1:${port}`);
    const got = await fetch(`${url}/a%2Fb?c=%64`, { method: "POST", body: "four" });
    assert.equal(await got.text(), "/a%2Fb 4");
    assert.equal(got.headers.get("x-query"), "c=%64");
    const head = await fetch(`${url}/`, { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), "3");
    assert.equal(await head.text(), "");
    assert.equal((await fetch(url, { method: "POST", body: "five!" })).status, 413);
  });

  test("IPv6 addresses stand in brackets", async () => {
    const listen = { host: "::1", port: 0 };
    const { url } = await openHttpServer({ listen, handle, refuse: refuseOperatorExchange, log }, scope);
    assert.match(url, /^http:\/\/\[::1\]:\d+$/);
  });
});

describe("a broken invariant", () => {
  const program = `
    import { openHttpServer } from "./src/io/http-server.ts";
    import { createJsonLogger } from "./src/io/json-logger.ts";
    import { BrokenInvariant } from "./src/model/assert.ts";
    import { openScope } from "./src/runtime/scope.ts";
    const log = createJsonLogger({ level: "info", destination: 1 });
    const handle = async () => { throw new BrokenInvariant("a pad byte is used once"); };
    const listen = { host: "127.0.0.1", port: 0 };
    const { url } = await openHttpServer({ listen, handle, refuse: () => undefined, log }, openScope("x", log));
    await fetch(url).catch(() => undefined);
    setInterval(() => undefined, 1000);
  `;

  test("ends the process, after a line in the log that says why", async () => {
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    const [exitCode] = (await once(child, "close")) as [number];
    assert.notEqual(exitCode, 0);
    assert.match(out, /"level":"error".*"reason":"a pad byte is used once"/);
  });
});
