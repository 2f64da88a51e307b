/**
 * `inmesh/testing`: mocks for the tests of services, and simulations in virtual time.
 *
 * @packageDocumentation
 */
export { seededRandom } from '../core/random.ts';
export {
  callsThatDoNotEnd,
  callsThatDoNotSettleOnce,
  callsThatSettleLate,
  ejectionsBeyondBounds,
  leftovers,
  retriesBeyondBudget,
  unsafeRepeats,
} from './checkers.ts';
export type { BodyProfile, Capacity, EndpointProfile, Fault, FaultWindow } from './endpoint-profile.ts';
export type { FakeNetwork, ReceivedRequest } from './fake-network.ts';
export { type Latency, latency } from './latency.ts';
export { type MockMesh, type MockMeshOptions, mockMesh } from './mock-mesh.ts';
export type { MockCall, MockHandler } from './mock-transport.ts';
export { type LoadOptions, type LoadSample, openLoop } from './open-loop.ts';
export { type Simulation, type SimulationOptions, simulateMesh } from './simulate-mesh.ts';
export type { Announcement, CallFacts, HealthSample, SimulatedCall, SimulationRecord } from './simulation-record.ts';
export { VirtualClock } from './virtual-clock.ts';
