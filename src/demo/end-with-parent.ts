/**
 * Ends the process when its parent is gone: loaded before a program (`node --import`) whose standard input is a pipe from
 * the parent. However the parent ends, the pipe ends with it, and what it started ends in good order.
 */
let asked = false;

function end(): void {
  if (asked) return;
  asked = true;
  process.kill(process.pid, "SIGTERM");
}

process.stdin.on("end", end).on("error", end).resume();
process.stdin.unref();
