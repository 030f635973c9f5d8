/** QKD modules that speak the open frame protocol of this project over a serial line. README.md has every byte. */
import {
  DRIVER_API_VERSION,
  type ByteChannel,
  type DriverHost,
  type QkdDriver,
  type QkdKeyBatch,
  type QkdModule,
  type QkdModuleFaults,
  type QkdModuleIdentity,
  type QkdModuleStatus,
  type StreamKeySource,
} from "../../src/driver/qkd-driver.ts";
import { assert } from "../../src/model/assert.ts";
import { QkdError, isQkdError, sentenceOf } from "../../src/model/errors.ts";
import type { QkdKeyId } from "../../src/model/ids.ts";
import { randomName } from "../../src/runtime/random.ts";
import type { Clock, MonotonicMs } from "../../src/runtime/clock.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { parseSerialFrameConfig, type SerialFrameConfig } from "./config.ts";
import { NONCE_BYTES } from "./messages.ts";
import { HEARTBEAT_MS, HostDialogue, SILENCE_MS } from "./session.ts";

const driver: QkdDriver<SerialFrameConfig> = {
  apiVersion: DRIVER_API_VERSION,
  name: "serial-frame",
  parseConfig: parseSerialFrameConfig,
  open: openSerialFrameModule,
};
export default driver;

/** A reader gets a quarter of the window at once, at most, so that the module goes on sending while that is stored. */
const BATCHES_PER_WINDOW = 4;

async function openSerialFrameModule(config: SerialFrameConfig, host: DriverHost, scope: Scope): Promise<QkdModule> {
  const channel = await host.openSerialPort({ path: config.path, baudRate: config.baudRate }, scope);
  const module = new SerialFrameModule(config, host, channel, scope);
  try {
    await module.greeted();
    return module;
  } catch (failure) {
    void scope.close(failure); // not awaited: the caller may be a task of this scope
    throw failure;
  }
}

class SerialFrameModule implements QkdModule {
  readonly keySource: StreamKeySource;
  readonly #dialogue: HostDialogue;
  readonly #channel: ByteChannel;
  readonly #clock: Clock;
  readonly #scope: Scope;
  readonly #path: string;
  readonly #waiting = new Set<() => void>();
  #writingSince: MonotonicMs | undefined;
  #cancelTick: () => void = () => undefined;
  #isRead = false;
  /** Why the module was lost, if it was: by what its line or its dialogue did. */
  #failure: QkdError | undefined;

  constructor(config: SerialFrameConfig, host: DriverHost, channel: ByteChannel, scope: Scope) {
    this.#channel = channel;
    this.#clock = host.clock;
    this.#scope = scope;
    this.#path = config.path;
    this.#dialogue = new HostDialogue({
      path: config.path,
      windowBytes: config.windowBytes,
      batchBytesMax: config.windowBytes / BATCHES_PER_WINDOW,
      newNonce: () => randomName(host.random, NONCE_BYTES),
      now: host.clock.monotonic(),
    });
    this.keySource = { kind: "stream", keys: (after, signal) => this.#keys(after, signal) };
    const wake = (): void => this.#wake();
    scope.signal.addEventListener("abort", wake, { once: true });
    scope.defer("dialogue", () => this.#end());
    scope.spawn("read", () => this.#untilLost(this.#read()));
    scope.spawn("write", () => this.#untilLost(this.#write()));
    this.#tickLater();
  }

  get identity(): QkdModuleIdentity {
    assert(this.#dialogue.identity !== undefined, "a module is opened when it has said who it is");
    return this.#dialogue.identity;
  }

  status(): QkdModuleStatus {
    return this.#dialogue.status;
  }

  faults(): QkdModuleFaults {
    return this.#dialogue.faults;
  }

  /** @throws QkdError DEVICE_LOST, VERSION_MISMATCH or CANCELLED */
  async greeted(): Promise<void> {
    while (this.#dialogue.identity === undefined) {
      this.#mustGoOn();
      await this.#change();
    }
  }

  async #untilLost(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (failure) {
      if (!this.#scope.signal.aborted)
        this.#failure ??= isQkdError(failure) ? failure : this.#lost(sentenceOf(failure));
      throw failure;
    }
  }

  async #read(): Promise<void> {
    for await (const bytes of this.#channel.readable) {
      this.#dialogue.bytes(bytes, this.#clock.monotonic());
      this.#mustGoOn();
      this.#wake();
    }
    this.#scope.signal.throwIfAborted();
    throw this.#lost("the line ended");
  }

  async #write(): Promise<void> {
    while (!this.#scope.signal.aborted) {
      const frame = this.#dialogue.nextOutgoing();
      if (frame === undefined) {
        await this.#change();
        continue;
      }
      this.#writingSince = this.#clock.monotonic();
      await this.#channel.write(frame);
      this.#writingSince = undefined;
    }
  }

  #tickLater(): void {
    this.#cancelTick = this.#clock.after(HEARTBEAT_MS, () => {
      if (this.#scope.signal.aborted) return;
      const now = this.#clock.monotonic();
      this.#dialogue.tick(now);
      const stuck = this.#writingSince !== undefined && now - this.#writingSince >= SILENCE_MS;
      const lost = this.#dialogue.lost ?? (stuck ? this.#lost("the line takes no bytes") : undefined);
      this.#failure ??= lost;
      this.#wake();
      if (lost === undefined) this.#tickLater();
      else void this.#scope.close(lost);
    });
  }

  async *#keys(after: QkdKeyId | undefined, signal: AbortSignal): AsyncGenerator<QkdKeyBatch> {
    assert(!this.#isRead, "a module has one reader at a time");
    this.#isRead = true;
    const wake = (): void => this.#wake();
    signal.addEventListener("abort", wake);
    try {
      this.#dialogue.resume(after);
      this.#wake();
      for (;;) {
        // A loss is told even to a reader whose signal ends with the scope of the module.
        if (this.#failure !== undefined) throw this.#failure;
        if (signal.aborted) return;
        this.#mustGoOn();
        const batch = this.#dialogue.takeBatch();
        if (batch === undefined) {
          await this.#change();
          continue;
        }
        yield batch;
        this.#dialogue.acknowledge(batch.last); // asked for the next batch: this one is stored
        this.#wake();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#dialogue.pause();
      this.#isRead = false;
    }
  }

  #mustGoOn(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#dialogue.lost !== undefined) throw this.#dialogue.lost;
    this.#scope.signal.throwIfAborted();
  }

  /** Resolves at the next thing that happens: bytes, a tick, a reader's wish, the end. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #lost(reason: string): QkdError {
    return new QkdError("DEVICE_LOST", `${this.#path}: ${reason}`, { path: this.#path, reason });
  }

  #end(): void {
    this.#cancelTick();
    this.#dialogue.end(new QkdError("CANCELLED", `${this.#path} is closed`, { path: this.#path }));
    this.#wake();
  }
}
