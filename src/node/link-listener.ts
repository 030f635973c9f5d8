/** What a link hears for others, handed to the room that it is for. */
import type { LinkListener } from "../link/qkd-link.ts";
import type { Scheduler } from "../pre-establishment/scheduler.ts";
import type { KeyRelay } from "../relay/key-relay.ts";
import type { PadReservations } from "../relay/pad-reservations.ts";
import type { RelayControl } from "../relay/relay-control.ts";
import type { RelayHop } from "../relay/relay-hop.ts";
import type { ReservationHop } from "../relay/reservation-hop.ts";
import type { Topology } from "../topology/topology.ts";
import type { NodePorts } from "./ports.ts";

export interface LinkListenerRooms {
  readonly relay: KeyRelay;
  readonly hop: RelayHop;
  readonly reservationHop: ReservationHop;
  readonly reservations: PadReservations;
  readonly control: RelayControl;
  readonly topology: Topology;
  readonly scheduler: Scheduler;
  readonly onFatal: NodePorts["onFatal"];
}

export function createLinkListener(rooms: LinkListenerRooms): LinkListener {
  const { relay, hop, reservationHop, reservations, control, topology, scheduler, onFatal } = rooms;
  return {
    frame: (link, frame) => hop.frame(link, frame),
    relayAnswer: (link, answer) => void (relay.answer(link, answer) || hop.answer(link, answer)),
    relayReservation: (link, request) => reservationHop.request(link, request),
    relayReservationAnswer: (link, answer) =>
      void (relay.reservationAnswer(link, answer) || reservationHop.answer(link, answer)),
    control: (link, message) => {
      control.receive(link, message).catch((failure: unknown) => onFatal(failure as Error));
    },
    advert: (link, advert) => topology.flood.receive(link.neighbour, advert),
    up: (link) => topology.flood.up(link.neighbour),
    padsAvailable: (link) => {
      relay.padsAvailable(link);
      scheduler.padsAvailable();
    },
    down: (link) => {
      topology.flood.down(link.neighbour); // first: what fails below goes other ways
      relay.down(link);
      hop.down(link);
      reservationHop.down(link);
      reservations.down(link);
    },
  };
}
