/** `qkdnd`: the daemon of a trusted node, and the demo network that `npm start` brings up. */
import { runProgram } from "./program.ts";

process.umask(0o077); // whatever we make is for this user alone
process.exitCode = await runProgram(process.argv.slice(2));
