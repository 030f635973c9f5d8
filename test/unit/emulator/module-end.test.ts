/** The module's side of the dialogue: what it answers, what it keeps, and when it is quiet. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FrameParser } from "../../../drivers/serial-frame/frame.ts";
import {
  decodeModuleMessage,
  encodeHostMessage,
  encodeModuleMessage,
  type HostMessage,
  type ModuleMessage,
} from "../../../drivers/serial-frame/messages.ts";
import { createSeededBlockSource } from "../../../src/emulator/block-source.ts";
import { LinkPair } from "../../../src/emulator/link-pair.ts";
import { ModuleEnd } from "../../../src/emulator/module-end.ts";
import { createSystemRandom } from "../../../src/io/system-random.ts";
import type { QkdKeyId } from "../../../src/model/ids.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const BLOCK_BYTES = 1000;
const identity = { vendor: "qkdnd", model: "qkd-emulator", serialNumber: "x/a" };
const HELLO: HostMessage = { kind: "hello", versionMin: 1, versionMax: 3, nonce: "0011223344556677" };
const RESUME = {
  kind: "resume",
  nonce: "8899aabbccddeeff",
  windowBytes: 65_536,
  stored: undefined,
  received: undefined,
} as const;

async function openModule() {
  const world = createVirtualWorldClock({ wallStartMs: 0 });
  const random = createSystemRandom();
  const pair = new LinkPair(
    { rateBps: 8_000_000, qber: 0.03, blockBytes: BLOCK_BYTES, keptBytesMax: 100 * BLOCK_BYTES },
    { blocks: createSeededBlockSource("module-end"), clock: world.clockFor("modules"), random },
  );
  await world.run(1000);
  assert.equal(pair.generatedBlocks, 100);
  const module = new ModuleEnd({ pair, end: "a", identity, blockBytes: BLOCK_BYTES });
  return {
    pair,
    module,
    /** The ids of the pair's blocks. */
    id: (number: number): QkdKeyId => pair.block("b", number)!.id,
    /** What the module says to these messages, all of it. */
    answers(...messages: readonly HostMessage[]): ModuleMessage[] {
      for (const message of messages) module.bytes(encodeHostMessage(message), world.now());
      return said(module);
    },
    /** What it says after so much time without a word from the host. */
    async after(durationMs: number): Promise<ModuleMessage[]> {
      await world.run(durationMs);
      module.tick(world.now());
      return said(module);
    },
  };
}

function said(module: ModuleEnd): ModuleMessage[] {
  const parser = new FrameParser();
  const messages: ModuleMessage[] = [];
  for (let frame = module.nextOutgoing(); frame !== undefined; frame = module.nextOutgoing()) {
    parser.push(frame, 0, (kind, payload) => messages.push(decodeModuleMessage(kind, payload.slice())));
  }
  return messages;
}

const kinds = (messages: readonly ModuleMessage[]): readonly string[] => messages.map(({ kind }) => kind);

/** Sequence and id of each key. */
const keys = (messages: readonly ModuleMessage[]): readonly (readonly [number, QkdKeyId])[] =>
  messages.flatMap((message) => (message.kind === "key" ? [[message.sequence, message.id] as const] : []));

describe("the module's end of the dialogue", () => {
  it("says who it is, in a version that both speak, and its state", async () => {
    const { answers } = await openModule();
    const [first, second] = answers(HELLO);
    assert.deepEqual(first, {
      kind: "identity",
      version: 1,
      versionMin: 1,
      versionMax: 1,
      nonce: HELLO.nonce,
      ...identity,
    });
    assert.equal(second?.kind === "status" && second.status.state, "generating");
  });

  it("says that there is no version in common, and no more", async () => {
    const { answers } = await openModule();
    const [first, ...others] = answers({ ...HELLO, versionMin: 2 });
    assert.equal(first?.kind === "identity" && first.version, 0);
    assert.deepEqual(others, []);
  });

  it("gives its blocks from the oldest on, as far as the window goes, and on when they are acknowledged", async () => {
    const { answers, id } = await openModule();
    const [resumed, ...first] = answers(HELLO, RESUME).slice(2);
    assert.deepEqual(resumed, { kind: "resumed", nonce: RESUME.nonce });
    assert.deepEqual(
      keys(first),
      Array.from({ length: 65 }, (_, i) => [i, id(i)]),
    );
    assert.deepEqual(
      keys(answers({ kind: "acknowledge", stored: id(9) })),
      Array.from({ length: 10 }, (_, i) => [65 + i, id(65 + i)]),
    );
  });

  it("forgets what is stored, goes on after what was received, and counts both towards the window", async () => {
    const { answers, id, pair } = await openModule();
    const after = keys(answers(HELLO, { ...RESUME, stored: id(9), received: id(19) }));
    assert.deepEqual([after[0], after.length], [[0, id(20)], 55]);
    assert.equal(pair.firstKept("a"), 10);
  });

  it("gives unacknowledged blocks again to the next host, and takes an id of another run for none", async () => {
    const { answers, id, module } = await openModule();
    answers(HELLO, RESUME, { kind: "acknowledge", stored: id(4) });
    module.reset();
    const foreign = "00".repeat(16) as QkdKeyId;
    assert.deepEqual(keys(answers(HELLO, { ...RESUME, stored: foreign, received: foreign }))[0], [0, id(5)]);
  });

  it("shows by its heartbeat how many keys it sent", async () => {
    const { answers, after } = await openModule();
    answers(HELLO, RESUME);
    assert.deepEqual((await after(1000)).at(-1), { kind: "heartbeat", sequence: 65 });
  });

  it("is quiet before hello, and when the host is silent for six seconds", async () => {
    const { answers, after } = await openModule();
    assert.deepEqual(await after(1000), []);
    answers(HELLO, RESUME);
    assert.deepEqual(kinds(await after(5000)), ["status", "heartbeat"]);
    assert.deepEqual(await after(1000), []);
    assert.deepEqual(kinds(answers(HELLO)), ["identity", "status"]);
  });

  it("ends the dialogue with a reason when the host makes a mistake", async () => {
    const { answers } = await openModule();
    assert.deepEqual(answers(RESUME), [{ kind: "error", code: 2, reason: "say hello first" }]);
    answers(HELLO);
    const [tooSmall] = answers({ ...RESUME, windowBytes: 999 });
    assert.equal(tooSmall?.kind === "error" && tooSmall.code, 3);
    assert.deepEqual(kinds(answers({ kind: "heartbeat" })), ["error"]);
  });

  it("does not take its own words for a host's", async () => {
    const { answers, module } = await openModule();
    answers(HELLO);
    module.bytes(encodeModuleMessage({ kind: "heartbeat", sequence: 1 }), 0);
    assert.deepEqual(kinds(said(module)), ["error"]);
  });
});
