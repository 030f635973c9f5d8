// Installs the dependencies, only when they changed; runs before `npm start`, `npm test` and `npm run check`.
//
// Plain Node.js >= 18 without dependencies, because it runs before there are any. A plain `npm ci` in a pre-hook would
// take its quarter of a minute every time, and would delete node_modules under a running daemon. There is nothing to
// build: Node.js 24 runs the TypeScript sources as they are, and comes itself as a package (node-linux-*).
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const NODE_MAJOR_MIN = 24;
const LOCK_WAIT_MAX_MS = 10 * 60_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundledNode = join(root, "node_modules", ".bin", "node");
const stampFile = join(root, "node_modules", ".bootstrap");
// Beside node_modules and not in it, because `npm ci` empties that folder. Both names are in .gitignore as *.tmp.
const lockFolder = join(root, ".bootstrap-lock.tmp");
const ownFolder = join(root, `.bootstrap-${process.pid}.tmp`);

const say = (line) => console.error(`[bootstrap] ${line}`);

/** A failure that a person can mend: its message says how. */
class Refusal extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ESRCH") return "";
    throw error;
  }
}

function readJson(path) {
  try {
    return JSON.parse(readText(join(root, path)));
  } catch (cause) {
    throw new Refusal(`${path} is missing or no JSON (${cause.message}); restore it from version control`);
  }
}

/** Only what an installation depends on: a new npm script must not cost everybody an installation. */
function dependenciesOf(manifest) {
  const sorted = (entries) => Object.entries(entries ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = manifest;
  return JSON.stringify([dependencies, devDependencies, optionalDependencies, peerDependencies].map(sorted));
}

function fingerprint() {
  const dependencies = dependenciesOf(readJson("package.json"));
  const locked = readJson("package-lock.json").packages;
  if (dependenciesOf(locked[""]) !== dependencies) {
    throw new Refusal("package-lock.json does not fit package.json; run `npm install`, which brings it up to date");
  }
  const hash = createHash("sha256").update(dependencies).update(JSON.stringify(locked));
  return `${hash.digest("hex")} ${process.platform}-${process.arch}\n`;
}

/**
 * Whether node_modules already holds what the lock file names, say after an `npm install` by hand.
 * npm writes node_modules/.package-lock.json last, so a broken-off installation is not taken for a whole one.
 */
function isInstalled() {
  const installedFile = "node_modules/.package-lock.json";
  if (!existsSync(join(root, installedFile))) return false;
  const { "": _, ...locked } = readJson("package-lock.json").packages;
  const installed = readJson(installedFile).packages;
  if (Object.keys(installed).some((path) => !(path in locked))) return false;
  return Object.entries(locked).every(([path, { version, integrity, optional }]) => {
    const found = installed[path];
    return found === undefined ? optional === true : found.version === version && found.integrity === integrity;
  });
}

/** The npm that called us, on the Node.js that it runs on: the `node` of the PATH may be the one about to be replaced. */
function npmCommand() {
  const npm = process.env.npm_execpath;
  if (npm !== undefined && basename(npm) === "npm-cli.js")
    return [process.env.npm_node_execpath ?? process.execPath, npm];
  return ["npm"];
}

async function install() {
  const startedAt = performance.now();
  say("installing dependencies (once, and again when package-lock.json changes) …");
  const [command, ...first] = npmCommand();
  // The tests need the development packages, whatever NODE_ENV says; the runtime is an optional package.
  const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  // Quiet, but not as silent as `npm -s test` would have it: why an installation failed has to be seen.
  const { npm_config_loglevel: level = "silent" } = process.env;
  const env = { ...process.env, npm_config_loglevel: level === "silent" ? "error" : level };
  const npm = spawn(command, [...first, ...args], { cwd: root, env, stdio: ["ignore", 2, 2] });
  if (npm.pid !== undefined) writeFileSync(join(lockFolder, "pids"), `${process.pid} ${npm.pid}`);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => npm.kill(signal));
  const outcome = await new Promise((resolve) => {
    npm.on("error", (error) => resolve({ reason: `${error.message}: is npm on the PATH?`, exitCode: 1 }));
    npm.on("exit", (code, signal) => resolve({ reason: signal ?? `exit code ${code}`, exitCode: code ?? 1 }));
  });
  if (outcome.exitCode !== 0) {
    const remedy = "what it says is above; check the network and the registry that npm is set to, then start again";
    throw new Refusal(`npm ci failed (${outcome.reason}); ${remedy}`, outcome.exitCode);
  }
  say(`dependencies installed in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

/** Refuses a Node.js that cannot run TypeScript sources. Without the bundled one, ours is the first on the PATH. */
function checkRuntime() {
  const isBundled = existsSync(bundledNode);
  const version = isBundled ? spawnSync(bundledNode, ["--version"], { encoding: "utf8" }).stdout : process.version;
  const major = Number(/^v(\d+)\./.exec(version ?? "")?.[1]);
  if (major >= NODE_MAJOR_MIN) return;
  const found = isBundled
    ? `the Node.js of the package node-${process.platform}-${process.arch} does not run here (a C library other than glibc?)`
    : `no Node.js of our own came for ${process.platform}-${process.arch}, and the one on the PATH is ${process.version}`;
  const remedy = isBundled ? `delete ${join("node_modules", ".bin", "node")}, and put` : "put";
  throw new Refusal(`${found}; ${remedy} Node.js ${NODE_MAJOR_MIN} or newer first on the PATH, then start again`);
}

/** Whether one of the processes that the lock names still works for a bootstrap: a number alone may have been given anew. */
function isHeld(pids) {
  return pids.split(" ").some((pid) => {
    try {
      process.kill(Number(pid), 0);
    } catch (error) {
      if (error.code === "ESRCH") return false;
    }
    return process.platform !== "linux" || /bootstrap|npm/.test(readText(`/proc/${pid}/cmdline`));
  });
}

/** Moves a folder; says whether it did. Moving is atomic, so of two processes one wins. */
function tryMove(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTEMPTY", "EEXIST", "EPERM"].includes(error.code)) return false;
    throw error;
  }
}

/** Takes the lock away from the dead. If another was quicker, and what moved is its new lock, gives that back. */
function breakLock(deadPids) {
  const grave = `${ownFolder.slice(0, -".tmp".length)}-stale.tmp`;
  if (!tryMove(lockFolder, grave)) return;
  if (readText(join(grave, "pids")) !== deadPids && tryMove(grave, lockFolder)) return;
  rmSync(grave, { recursive: true, force: true });
}

/** The lock is a folder that appears with its holder's process numbers already in it. */
async function takeLock() {
  mkdirSync(ownFolder, { recursive: true });
  writeFileSync(join(ownFolder, "pids"), `${process.pid}`);
  const startedAt = performance.now();
  let announced = false;
  while (!tryMove(ownFolder, lockFolder)) {
    const pids = readText(join(lockFolder, "pids"));
    if (pids !== "" && !isHeld(pids)) {
      breakLock(pids);
    } else if (performance.now() - startedAt > LOCK_WAIT_MAX_MS) {
      throw new Refusal(`process ${pids} has been installing for too long; end it, or delete ${basename(lockFolder)}`);
    } else {
      if (!announced) say(`another start is installing (process ${pids}); waiting for it …`);
      announced = true;
      await sleep(200);
    }
  }
}

function releaseLock() {
  tryMove(lockFolder, ownFolder);
  rmSync(ownFolder, { recursive: true, force: true });
}

async function bootstrap() {
  const wanted = fingerprint();
  const isFresh = () => readText(stampFile) === wanted;
  if (isFresh() && existsSync(bundledNode)) return;
  if (isFresh()) return checkRuntime();
  try {
    await takeLock();
  } catch (error) {
    rmSync(ownFolder, { recursive: true, force: true });
    throw error;
  }
  try {
    if (isFresh()) return;
    if (!isInstalled()) await install();
    checkRuntime();
    writeFileSync(stampFile, wanted);
  } finally {
    releaseLock();
  }
}

try {
  await bootstrap();
} catch (error) {
  say(error instanceof Refusal ? error.message : `failed: ${error.stack}`);
  process.exitCode = error.exitCode ?? 1;
}
