// A reporter for node:test that writes only the counts of a run, as JSON; scripts/test.mjs sums them up.

export default async function* testCounts(events) {
  for await (const { type, data } of events) {
    // Each test file has a summary of its own too; the one without a file is that of the run.
    if (type === "test:summary" && data.file === undefined) yield JSON.stringify(data.counts);
  }
}
