/**
 * serialport's poller, waiting for both directions of a line at once.
 *
 * In @serialport/bindings-cpp 13.0.0, asking to be told of one direction forgets the other (poller.cpp: `uv_poll_start`
 * gets the new events only): a write that waits for room is forgotten by the next read that waits for bytes, and the
 * other way round, so a line whose two directions are busy stands still. Shown by test/unit/emulator/pty.test.ts.
 */
import { EVENTS, type Poller } from "@serialport/bindings-cpp/dist/poller.js";

const FLAGS = {
  readable: EVENTS.UV_READABLE,
  writable: EVENTS.UV_WRITABLE,
  disconnect: EVENTS.UV_DISCONNECT,
} as const;

export type LineEvent = keyof typeof FLAGS;

/** Makes `poller.once` wait for all that was asked for and has not come. */
export function pollBothDirections(poller: Poller): Poller {
  const once = poller.once.bind(poller);
  let wanted = 0;
  poller.once = (event: LineEvent, callback: (error: Error | null) => void) => {
    const flag = FLAGS[event];
    once(event, (error) => {
      wanted &= ~flag;
      callback(error);
    });
    wanted |= flag;
    poller.poll(wanted);
    return poller;
  };
  return poller;
}
