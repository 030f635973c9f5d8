/** The bytes that README.md shows are those that the code writes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  encodeHostMessage,
  encodeModuleMessage,
  type HostMessage,
  type ModuleMessage,
} from "../../../../drivers/serial-frame/messages.ts";
import { parseSerialFrameConfig } from "../../../../drivers/serial-frame/config.ts";
import type { QkdKeyId } from "../../../../src/model/ids.ts";
import { parse as parseYaml } from "yaml";

const readme = readFileSync(new URL("../../../../drivers/serial-frame/README.md", import.meta.url), "utf8");
const block = (number: number): QkdKeyId => `6b1f0c9d52e7a384${number.toString(16).padStart(16, "0")}` as QkdKeyId;
const version = { versionMin: 1, versionMax: 1 };
const nonces = { hello: "0102030405060708", resume: "1112131415161718" };

const dialogue: readonly (["host", HostMessage] | ["module", ModuleMessage])[] = [
  ["host", { kind: "hello", ...version, nonce: nonces.hello }],
  [
    "module",
    {
      kind: "identity",
      version: 1,
      ...version,
      nonce: nonces.hello,
      vendor: "ACME",
      model: "Q7",
      serialNumber: "0042",
    },
  ],
  ["module", { kind: "status", status: { state: "generating", qber: 0.03125, secretKeyRateBps: 1_026_277 } }],
  ["host", { kind: "resume", nonce: nonces.resume, windowBytes: 1 << 20, stored: block(41), received: undefined }],
  ["module", { kind: "resumed", nonce: nonces.resume }],
  ["module", { kind: "key", sequence: 0, id: block(42), bytes: Uint8Array.of(0xde, 0xad, 0xbe, 0xef) }],
  ["module", { kind: "heartbeat", sequence: 1 }],
  ["host", { kind: "acknowledge", stored: block(42) }],
  ["host", { kind: "heartbeat" }],
  ["module", { kind: "error", code: 2, reason: "say hello first" }],
];

test("the example dialogue of the protocol's description is right, byte by byte", () => {
  const shown = [...readme.matchAll(/^(host|module) +(\w+) +((?:[0-9a-f]{2} ?)+)$/gm)].map(([line]) => line);
  const written = dialogue.map(([speaker, message]) => {
    const frame = speaker === "host" ? encodeHostMessage(message) : encodeModuleMessage(message);
    const hex = Buffer.from(frame).toString("hex").match(/../g)!.join(" ");
    return `${speaker.padEnd(7)} ${message.kind.padEnd(12)} ${hex}`;
  });
  assert.deepEqual(shown, written);
});

test("the sample of the settings is accepted, and each field of the table is one", () => {
  const [, sample] = /```yaml\n([^]*?)```/.exec(readme)!;
  const { config } = parseYaml(sample!) as { config: object };
  const fields = [...readme.matchAll(/^\| `(\w+)` +\|/gm)].map(([, field]) => field);
  assert.deepEqual(fields, Object.keys(parseSerialFrameConfig(config)));
});
