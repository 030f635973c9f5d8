/** The shapes of a demo network: who has a link with whom. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planDemo } from "../../../src/demo/demo-plan.ts";
import { LINKS_MAX, NODES_MAX, type ShapeName, spansOf, twoHopsApart } from "../../../src/demo/demo-shape.ts";
import { isQkdError } from "../../../src/model/errors.ts";

const text = (shape: ShapeName, nodes: number): string =>
  spansOf(shape, nodes)
    .map(([from, to]) => `${from}-${to}`)
    .join(" ");

describe("the shape of a demo network", () => {
  it("is a ring, a chain, a star or a mesh", () => {
    assert.equal(text("ring", 5), "0-1 1-2 2-3 3-4 0-4");
    assert.equal(text("chain", 4), "0-1 1-2 2-3");
    assert.equal(text("star", 4), "0-1 0-2 0-3");
    assert.equal(text("mesh", 4), "0-1 0-2 0-3 1-2 1-3 2-3");
  });

  it("is refused where it has more links than can be emulated", () => {
    assert.equal(spansOf("mesh", 8).length, LINKS_MAX);
    assert.throws(
      () => spansOf("mesh", 9),
      (error) => isQkdError(error, "CONFIG_INVALID") && /a mesh of 9 nodes has 36 links.*--nodes/.test(error.message),
    );
    for (const shape of ["ring", "chain", "star"] as const) assert.ok(spansOf(shape, NODES_MAX).length <= LINKS_MAX);
  });

  it("has two nodes that share no link, for the keys that are shown, where there are such", () => {
    for (const [shape, nodes, apart] of [
      ["ring", 5, [0, 2]],
      ["ring", 3, [0, 1]],
      ["chain", 3, [0, 2]],
      ["star", 4, [1, 2]],
      ["mesh", 4, [0, 1]],
    ] as const) {
      assert.deepEqual(twoHopsApart(spansOf(shape, nodes), nodes), apart, shape);
    }
  });

  it("names links as the nodes do, the smaller id first, so that the emulator's end a is at it", () => {
    const ports = Array.from({ length: NODES_MAX }, (_, at) => ({ kx: at, etsi014: 100 + at, operator: 200 + at }));
    const { nodes, links } = planDemo("/tmp/demo", "ring", ports);
    assert.equal(new Set(nodes.map(({ id }) => id)).size, NODES_MAX);
    for (const { id, ends, lines } of links) {
      assert.equal(id, ends.join("--"));
      assert.deepEqual(lines, [`/tmp/demo/lines/${ends[0]}-to-${ends[1]}`, `/tmp/demo/lines/${ends[1]}-to-${ends[0]}`]);
    }
  });
});
