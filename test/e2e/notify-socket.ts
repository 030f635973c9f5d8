/** A service manager as a daemon sees it: a Unix datagram socket at which a real process listens. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

export interface Message {
  readonly at: number;
  readonly lines: readonly string[];
}

const LISTENER = `
  use strict; use Socket; $| = 1;
  socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
  bind($s, pack_sockaddr_un($ARGV[0] =~ s/^@/\\0/r)) or die $!;
  print "listening\\n";
  while (defined recv($s, my $m, 8192, 0)) { print unpack("H*", $m), "\\n" }
`;

export class NotifySocket {
  readonly path: string;
  readonly messages: Message[] = [];
  readonly #listener: ChildProcess;

  private constructor(path: string, listener: ChildProcess) {
    this.path = path;
    this.#listener = listener;
  }

  /** @param path  of a socket file, or "@" and an abstract name */
  static async open(path: string): Promise<NotifySocket> {
    const listener = spawn("/usr/bin/perl", ["-e", LISTENER, path], { stdio: ["ignore", "pipe", "inherit"] });
    const socket = new NotifySocket(path, listener);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.once("exit", (code) => reject(new Error(`the listener at ${path} ended with ${code}`)));
    createInterface(listener.stdout).on("line", (line) => {
      if (line === "listening") resolve();
      else {
        const lines = Buffer.from(line, "hex").toString("utf8").split("\n");
        socket.messages.push({ at: performance.now(), lines });
      }
    });
    await promise;
    return socket;
  }

  /** Messages with that line, or with one that begins so. */
  with(start: string): readonly Message[] {
    return this.messages.filter(({ lines }) => lines.some((line) => line.startsWith(start)));
  }

  close(): void {
    this.#listener.kill("SIGKILL");
  }
}
