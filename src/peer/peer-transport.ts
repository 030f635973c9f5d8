/** The other-nodes port (Kx): sessions with neighbours whose identity the transport has proven. */
import type { NodeId } from "../model/ids.ts";
import type { Scope } from "../runtime/scope.ts";
import type { PeerMessage } from "./peer-messages.ts";

/**
 * One session with one neighbour: messages arrive in order, each once, or the session ends. A new session never
 * delivers what was sent on an older one.
 */
export interface PeerSession {
  /** Proven by the transport (URI SAN of the certificate), not claimed in a message. */
  readonly remote: NodeId;
  /**
   * Queues a message. Never waits.
   *
   * @returns false when the line is full (`SESSION_QUEUE_BYTES_MAX` not yet taken by the network) or the session has
   *          ended; then the message was not queued and will not be sent
   */
  send(message: PeerMessage): boolean;
  /** Given once, before the next turn of the event loop; messages wait for it. */
  listen(listener: PeerSessionListener): void;
  /** Ends the session at both ends. The own listener's `ended` is called as well. */
  close(reason: string): void;
}

export interface PeerSessionListener {
  message(message: PeerMessage): void;
  /** Called once, last. */
  ended(reason: string): void;
}

/** What may wait in a session for the network to take it. */
export const SESSION_QUEUE_BYTES_MAX = 1_048_576;

export interface PeerTransport {
  /** Takes sessions that neighbours open. @throws QkdError PORT_IN_USE */
  serve(accept: (session: PeerSession) => void, scope: Scope): Promise<void>;
  /**
   * Opens a session.
   *
   * @throws QkdError PEER_UNREACHABLE  nobody answers within the deadline; facts say why
   * @throws QkdError PEER_REFUSED      the certificate is not the one of `remote`, or ours is not accepted
   */
  connect(remote: NodeId, deadline: AbortSignal): Promise<PeerSession>;
}
