/** Key ids made for a whole request at once against one by one. */
import { randomBytes } from "node:crypto";
import { parseKeyClass, parseSaeId } from "../../src/model/ids.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { createKeyIdCodec } from "../../src/supply/key-id.ts";
import type { Scenario } from "../scenario.ts";
import { contest } from "./contest.ts";

const KEYS = 128;
const KEY_BYTES = 32;

export const keyIdsRatio: Scenario = {
  name: "key-ids",
  about: "ids of 128 keys in one pass against 128 passes",
  async measure(options, book) {
    using secret = KeyMaterial.moveFrom(randomBytes(64));
    const codec = createKeyIdCodec(secret, parseKeyClass("default"), 8);
    const pair = { initiator: parseSaeId("sae-north"), target: parseSaeId("sae-hub") };
    const places = Array.from({ length: KEYS }, (_, i) => ({
      number: 1,
      offsetBytes: i * KEY_BYTES,
      lengthBytes: KEY_BYTES,
    }));
    const ours = (): number => codec.make(pair, places).length;
    const theirs = (): number => places.reduce((sum, place) => sum + codec.make(pair, [place]).length, 0);
    await contest("ids in one pass against one by one", { ours, theirs }, options, book);
  },
};
