/** Writes batches into a level database until it is killed, and says on standard output which are durable. */
import { writeSync } from "node:fs";
import { openLevelDatabase } from "../../src/io/level-database.ts";
import { isQkdError } from "../../src/model/errors.ts";
import { openScope } from "../../src/runtime/scope.ts";
import { createRecordingLogger } from "../fakes/recording-logger.ts";

const [path = "", firstBatch = "0", recordsPerBatch = "8"] = process.argv.slice(2);
const RECORD_BYTES = 3_000;
const WRITERS = 4;

const scope = openScope("level writer", createRecordingLogger());
try {
  const { database } = await openLevelDatabase(path, scope);
  let next = Number(firstBatch);
  const write = async (): Promise<void> => {
    for (;;) {
      const batch = next++;
      const value = new Uint8Array(RECORD_BYTES).fill(batch % 251);
      const operations = Array.from(
        { length: Number(recordsPerBatch) },
        (_, number) => ({ kind: "put", name: `${number}/${batch}`, value }) as const,
      );
      await database.write([...operations, { kind: "delete", name: `0/${batch - 1_000}` }]);
      writeSync(1, `${batch}\n`);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
} catch (failure) {
  process.stderr.write(isQkdError(failure) ? `${failure.code}: ${failure.message}\n` : String(failure));
  process.exitCode = 1;
}
