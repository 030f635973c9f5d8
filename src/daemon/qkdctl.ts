/** The process `qkdctl`: its words, its terminal, its exit code. */
import { runQkdctl } from "./qkdctl-program.ts";

process.exitCode = await runQkdctl(process.argv.slice(2), {
  environment: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
});
