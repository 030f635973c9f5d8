/** A module that says what a test tells it to, at a line in memory and in virtual time. */
import driver from "../../../../drivers/serial-frame/index.ts";
import { FrameParser } from "../../../../drivers/serial-frame/frame.ts";
import {
  decodeHostMessage,
  encodeModuleMessage,
  type HostMessage,
  type ModuleMessage,
} from "../../../../drivers/serial-frame/messages.ts";
import type { ByteChannel, DriverHost, QkdKeyBatch, QkdModule } from "../../../../src/driver/qkd-driver.ts";
import type { QkdKeyId } from "../../../../src/model/ids.ts";
import { idsOf } from "../../../../src/model/qkd-key-runs.ts";
import { openScope, type Scope } from "../../../../src/runtime/scope.ts";
import { createRecordingLogger } from "../../../fakes/recording-logger.ts";
import { createVirtualWorldClock, type VirtualWorldClock } from "../../../fakes/virtual-clock.ts";

export const PATH = "/dev/ttyTest0";

export class ScriptedModule {
  readonly world: VirtualWorldClock = createVirtualWorldClock({ wallStartMs: 0 });
  readonly scope: Scope = openScope("module", createRecordingLogger());
  /** What the host said, oldest first. */
  readonly heard: HostMessage[] = [];
  /** While true, the line takes nothing. */
  isStuck = false;
  readonly #pieces: Uint8Array[] = [];
  readonly #parser = new FrameParser();
  #wake: () => void = () => undefined;
  #hungUp = false;

  /** Opens the driver on this line. */
  open(windowBytes = 1 << 20): Promise<QkdModule> {
    const clock = this.world.clockFor("host");
    let drawn = 0;
    const host: DriverHost = {
      clock,
      random: { fill: (bytes) => void bytes.fill(++drawn), fraction: () => 0.5 },
      log: createRecordingLogger(),
      openSerialPort: () => Promise.resolve(this.#channel()),
    };
    return driver.open(driver.parseConfig({ path: PATH, windowBytes }), host, this.scope);
  }

  /** Opens the driver and greets it. */
  async opened(windowBytes?: number): Promise<QkdModule> {
    const opening = this.open(windowBytes);
    await this.world.run(1);
    this.greet();
    return opening;
  }

  greet(nonce = this.last("hello").nonce, version = 1): void {
    const names = { vendor: "ACME", model: "Q\u00077", serialNumber: "42" };
    this.say({ kind: "identity", version, versionMin: 1, versionMax: 1, nonce, ...names });
  }

  say(message: ModuleMessage): void {
    this.sayBytes(encodeModuleMessage(message));
  }

  sayBytes(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#wake();
  }

  /** Key number `number` of the run, its bytes all the same. */
  sayKey(sequence: number, number: number, lengthBytes = 8): void {
    const bytes = new Uint8Array(lengthBytes).fill(number);
    this.say({ kind: "key", sequence, id: keyId(number), bytes });
  }

  hangUp(): void {
    this.#hungUp = true;
    this.#wake();
  }

  all<Kind extends HostMessage["kind"]>(kind: Kind): readonly (HostMessage & { readonly kind: Kind })[] {
    return this.heard.filter((message): message is HostMessage & { readonly kind: Kind } => message.kind === kind);
  }

  last<Kind extends HostMessage["kind"]>(kind: Kind): HostMessage & { readonly kind: Kind } {
    const message = this.all(kind).at(-1);
    if (message === undefined) throw new Error(`the host said no ${kind}`);
    return message;
  }

  /** Answers the last `resume`. */
  resume(): void {
    this.say({ kind: "resumed", nonce: this.last("resume").nonce });
  }

  #channel(): ByteChannel {
    this.scope.signal.addEventListener("abort", () => this.#wake());
    return {
      readable: this.#read(),
      write: async (bytes) => {
        if (this.isStuck)
          await new Promise<void>((resolve) => this.scope.signal.addEventListener("abort", () => resolve()));
        this.#parser.push(bytes.slice(), this.world.now(), (kind, payload) => {
          this.heard.push(decodeHostMessage(kind, payload));
        });
      },
    };
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    while (!this.#hungUp && !this.scope.signal.aborted) {
      const piece = this.#pieces.shift();
      if (piece === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else yield piece;
    }
  }
}

export function keyId(number: number, run = "aaaaaaaaaaaaaaaa"): QkdKeyId {
  return `${run}${number.toString(16).padStart(16, "0")}` as QkdKeyId;
}

/** The reader of a test: collects batches until it is told to wait. */
export function readKeys(module: QkdModule, signal: AbortSignal, after?: QkdKeyId) {
  if (module.keySource.kind !== "stream") throw new Error("a stream was expected");
  const batches = module.keySource.keys(after, signal)[Symbol.asyncIterator]();
  return {
    batches,
    /** The ids of the next batch, whose material is erased. */
    async ids(): Promise<readonly QkdKeyId[]> {
      const { value } = (await batches.next()) as { readonly value: QkdKeyBatch };
      value.material.erase();
      return [...idsOf(value.runs)];
    },
  };
}
