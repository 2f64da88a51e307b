/**
 * What is at the other end of a simulated mesh? A network of fake endpoints, each with a profile, that writes down every
 * request its servers see: whoever looks for a request that was sent twice looks here, not at what the mesh believes.
 */
import type { Attempt } from '../core/attempt.ts';
import type { Clock } from '../core/clock.ts';
import { endpointKey } from '../core/endpoint.ts';
import type { Random } from '../core/random.ts';
import { findHeader } from '../http/header-list.ts';
import type { Connect } from '../mesh/mesh-parts.ts';
import type { EndpointProfile } from './endpoint-profile.ts';
import { FakeServer } from './fake-server.ts';
import { FakeTransport, type TransportObserver } from './fake-transport.ts';

/** The header by which requests of one call are known to belong together. */
export const requestKeyHeader = 'x-request-id';

/** A request that a server saw. */
export interface ReceivedRequest {
  /** When, of the clock of the network. */
  readonly at: number;
  readonly service: string;
  /** `host:port`. */
  readonly endpoint: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** The `x-request-id`, by which the attempts of a call are told from other calls; undefined without one. */
  readonly key: string | undefined;
  /** Of the call: 1 for the first attempt. */
  readonly attempt: number;
  /** False when the server stated that it did not process it. */
  readonly processed: boolean;
}

/** Options of a {@link FakeNetwork}. */
export interface FakeNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** By `host:port`. */
  readonly endpoints?: Readonly<Record<string, EndpointProfile>>;
  /** Of endpoints that are not named. Default: answers 200 after 5 ms. */
  readonly defaultProfile?: EndpointProfile;
}

/** The endpoints of a simulation, and the way to them. */
export class FakeNetwork {
  /** All requests that servers saw, in order. */
  readonly received: ReceivedRequest[] = [];
  /** All attempts that the mesh handed over, in order; some never reached their server. */
  readonly attempts: Attempt[] = [];
  /** For `EngineParts.connect`. */
  readonly connect: Connect;
  private readonly options: FakeNetworkOptions;
  private readonly servers = new Map<string, FakeServer>();

  constructor(options: FakeNetworkOptions) {
    this.options = options;
    this.connect = (endpoint, config) =>
      new FakeTransport(this.serverOf(endpointKey(endpoint)), config.transport.connectTimeoutMs, this.observer);
  }

  /** Changes how an endpoint behaves to the next request. */
  setProfile(address: string, profile: EndpointProfile): void {
    this.serverOf(address).profile = profile;
  }

  private serverOf(address: string): FakeServer {
    let server = this.servers.get(address);
    if (server === undefined) {
      const { clock, random, endpoints = {}, defaultProfile = {} } = this.options;
      const profile = Object.hasOwn(endpoints, address) ? (endpoints[address] as EndpointProfile) : defaultProfile;
      server = new FakeServer(profile, clock, random);
      this.servers.set(address, server);
    }
    return server;
  }

  private readonly observer: TransportObserver = {
    sent: (attempt) => this.attempts.push(attempt),
    received: (attempt, processed) => {
      const { call, member } = attempt;
      this.received.push({
        at: this.options.clock.now(),
        service: call.name,
        endpoint: endpointKey(member.endpoint),
        method: call.method,
        path: call.path,
        key: findHeader(attempt.headers, requestKeyHeader),
        attempt: attempt.number,
        processed,
      });
    },
  };
}
