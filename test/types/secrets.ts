/** What must not compile: ways in which key material or the wrong name could slip through. Checked by the compiler alone. */
import { QkdError, type ErrorFacts } from "../../src/model/errors.ts";
import type { KeyMaterial } from "../../src/model/key-material.ts";
import type { LinkId, NodeId, QkdKeyId, SaeId, SegmentName } from "../../src/model/ids.ts";
import type { Clock, MonotonicMs, WallMs } from "../../src/runtime/clock.ts";
import type { Logger } from "../../src/runtime/logger.ts";
import type { MetricsRegistry } from "../../src/runtime/metrics.ts";
import type { ChunkName } from "../../src/store/key-bag.ts";
import type { RecordValue } from "../../src/store/store-record.ts";

export function secretsHaveNoWayOut(material: KeyMaterial, bytes: Uint8Array, log: Logger): void {
  // @ts-expect-error a fact of a log line cannot be key material
  log.info("segment open", { material });
  // @ts-expect-error nor bytes
  log.debug("segment open", { bytes });
  // @ts-expect-error nor anything that could hold them
  log.warn("segment open", { nested: { bytes } });
  // @ts-expect-error a fact of an error cannot be bytes
  throw new QkdError("KEY_UNKNOWN", "no such key", { bytes });
}

export function factsAreNoSecrets(material: KeyMaterial): ErrorFacts {
  // @ts-expect-error an error's facts are shown to anyone
  return { material };
}

export function recordsHoldNoKey(material: KeyMaterial, bytes: Uint8Array): readonly RecordValue[] {
  // @ts-expect-error records are authenticated, not sealed: key goes into chunks
  const one: RecordValue = { material };
  // @ts-expect-error bytes neither
  const other: RecordValue = bytes;
  return [one, other];
}

export function materialIsMadeByItself(): KeyMaterial {
  // @ts-expect-error an object that looks like it is none
  return { lengthBytes: 1, erased: false, expose: () => undefined, slice: () => undefined, erase: () => undefined };
}

export function namesStayApart(node: NodeId, sae: SaeId, segment: SegmentName, chunk: ChunkName): void {
  // @ts-expect-error an SAE is no node
  const one: NodeId = sae;
  // @ts-expect-error a segment's name is no QKD-key's id
  const two: QkdKeyId = segment;
  // @ts-expect-error a data key's chunk is not the segment that it may hold
  const three: SegmentName = chunk;
  // @ts-expect-error text is no id before it was parsed
  const four: NodeId = "a";
  // @ts-expect-error a node is no link
  const five: LinkId = node;
  void [one, two, three, four, five];
}

export function clocksStayApart(clock: Clock): void {
  // @ts-expect-error the wall clock may jump: nothing waits by it
  const deadline: MonotonicMs = clock.wall();
  // @ts-expect-error monotonic time says nothing to another process
  const expiresAt: WallMs = clock.monotonic();
  void [deadline, expiresAt];
}

export function metricsAreDeclared(registry: MetricsRegistry, material: KeyMaterial): void {
  const keys = registry.counter({ name: "qkdn_sample_total", help: "A sample.", labels: ["remote"] });
  // @ts-expect-error a label that was not declared
  keys.add({ remote: "b", sae: "x" });
  // @ts-expect-error a label left out
  keys.add({});
  // @ts-expect-error a label is a name
  keys.add({ remote: material });
  // @ts-expect-error a metric's name begins with qkdn_
  registry.gauge({ name: "sample", help: "A sample.", labels: [] });
}
