import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { isQkdError } from "../../../src/model/errors.ts";
import type { SaeId } from "../../../src/model/ids.ts";
import { auditSupply } from "../../../src/supply/audited-supply.ts";
import type { KeySupply, SaePair } from "../../../src/supply/key-supply.ts";
import { createMemoryAudit, type MemoryAudit } from "../../fakes/memory-audit.ts";
import { createSmallKeySupply, type SmallKeySupply } from "../../fakes/small-key-supply.ts";
import { createVirtualWorldClock } from "../../fakes/virtual-clock.ts";

const pair: SaePair = { initiator: "sae-a" as SaeId, target: "sae-b" as SaeId };
const stranger: SaePair = { initiator: "sae-x" as SaeId, target: "sae-b" as SaeId };
const never = new AbortController().signal;

describe("supply under audit", () => {
  let audit: MemoryAudit;
  let inner: SmallKeySupply;
  let supply: KeySupply;

  beforeEach(() => {
    audit = createMemoryAudit();
    inner = createSmallKeySupply({
      places: { "sae-a": "a", "sae-b": "b", "sae-x": "a" },
      friends: ["sae-a sae-b"],
      stockBytes: 1024,
    });
    supply = auditSupply(inner, { audit, clock: createVirtualWorldClock({ wallStartMs: 0 }).clockFor("a") });
  });

  it("leaves one line for a request, with the ids and without the keys", async () => {
    const keys = await supply.encryptionKeys({ pair, count: 2, sizeBits: 256 }, never);
    const ids = keys.map(({ id }) => id);
    const entry = { event: "keys-supplied", role: "initiator", ...pair, count: 2, sizeBits: 256, ids };
    assert.deepEqual(audit.entries, [entry]);
  });

  it("an SAE that asks a thousand times for what it may not have leaves one line a second", async () => {
    for (let i = 0; i < 1000; i++) {
      await assert.rejects(supply.encryptionKeys({ pair: stranger, count: 1, sizeBits: 256 }, never));
    }
    const [entry, ...more] = audit.entries;
    assert.deepEqual([entry?.event, more], ["supply-refused", []]);
  });

  it("where no event can be kept, and the operator wants no key supplied unseen, none is cut", async () => {
    audit.stopSupply("the disk is full");
    const stopped = (failure: unknown): boolean => isQkdError(failure, "SUPPLY_STOPPED");
    await assert.rejects(supply.encryptionKeys({ pair, count: 1, sizeBits: 256 }, never), stopped);
    assert.deepEqual(inner.given, []);
    audit.stopSupply(undefined);
    assert.equal((await supply.encryptionKeys({ pair, count: 1, sizeBits: 256 }, never)).length, 1);
  });
});
