/**
 * Invariant 5: a transit node keeps nothing. Reads all chunks on a node's disk, with the node's own root, and searches them for
 * keys of pairs that the node is no end of.
 */
import { openKeyVault } from "../../../src/store/key-vault.ts";
import type { ChunkName } from "../../../src/store/key-bag.ts";
import { CHUNK_PREFIX, CHUNK_TAG_BYTES } from "../../../src/store/transaction.ts";
import { isQkdError } from "../../../src/model/errors.ts";
import { sampleOf, type IssuedKey } from "../workload.ts";
import type { SimNode } from "../sim-node.ts";
import type { World } from "../world.ts";

const KEYS_MAX = 150;
const INSPECTION_MAX_MS = 60_000;

/** Stops all nodes. @returns the number of chunks read */
export async function checkTransitBlank(world: World, keys: readonly IssuedKey[]): Promise<number> {
  let chunks = 0;
  for (const node of world.nodes) {
    node.kill();
    const others = sampleOf(
      keys.filter(({ initiator, target }) => initiator !== node && target !== node),
      KEYS_MAX,
    );
    const contents = await contentsOf(node, world);
    chunks += contents.length;
    for (const { id, bytes } of others) {
      if (contents.some((content) => content.includes(Buffer.from(bytes)))) {
        world.violate(`transit-blank: ${node.id} has key ${id} on its disk and is no end of it`);
      }
    }
  }
  return chunks;
}

async function contentsOf(node: SimNode, world: World): Promise<Buffer[]> {
  const records = node.disk.dump();
  const { ports, life } = node.portsForInspection();
  const contents: Buffer[] = [...records.values()].map((value) => Buffer.from(value));
  const reading = (async () => {
    const parts = { ...ports, metrics: undefined, onFailure: ports.onFatal };
    const vault = await openKeyVault(parts);
    for (const [name, record] of records) {
      if (!name.startsWith(CHUNK_PREFIX)) continue;
      const chunk = name.slice(CHUNK_PREFIX.length) as ChunkName;
      try {
        using material = await vault.read({ chunk, lengthBytes: record.length - 1 - CHUNK_TAG_BYTES });
        contents.push(material.expose((bytes) => Buffer.from(bytes)));
      } catch (failure) {
        if (!isQkdError(failure, "STORE_DAMAGED")) throw failure;
      }
    }
  })();
  let read = false;
  void reading.finally(() => (read = true));
  await world.clock.runUntil(() => read, INSPECTION_MAX_MS);
  await reading;
  life.kill();
  return contents;
}
