/**
 * What happens in a random scenario? A mesh, 20 to 60 calls, changes of its configuration in between, and its end, at
 * times in the middle of the calls. Everything comes from the seed.
 */
import type { MeshDocument } from '../../src/config/schema.ts';
import { type EndpointProfile, type Simulation, simulateMesh } from '../../src/testing/index.ts';
import { Dice } from './dice.ts';
import { type Caller, makeCall } from './make-call.ts';
import { randomCall } from './random-call.ts';
import { addressOf, randomDocument, randomShapes, type ServiceShape } from './random-document.ts';
import { randomProfile } from './random-profile.ts';

interface Action {
  readonly atMs: number;
  run(simulation: Simulation): unknown;
}

const invalid: MeshDocument = { services: [{ host: 'service-1', endpoints: [{ address: 'no address' }] }] };

/** Runs the scenario of `seed` to its end, and gives what was simulated, for a look at it. */
export async function runRandomScenario(seed: number): Promise<Simulation> {
  const dice = new Dice(seed);
  const shapes = randomShapes(dice);
  const endpoints: Record<string, EndpointProfile> = {};
  for (const shape of shapes) {
    for (const address of addressesOf(shape)) endpoints[address] = randomProfile(dice);
  }
  const lengthMs = dice.pick(200, 1_000, 3_000);
  const actions = [...callActions(dice, shapes, lengthMs), ...changeActions(dice, shapes, lengthMs)];
  actions.sort((one, other) => one.atMs - other.atMs);
  const cutMs = dice.chance(0.4) ? dice.integer(0, lengthMs) : lengthMs + dice.pick(0, 500, 20_000);
  const closeTimeoutMs = dice.pick(1, 100, 1_000, 30_000);
  const document = randomDocument(dice, shapes);
  const simulation = await simulateMesh({ document, seed, endpoints, locality: 'eu/eu-1' });
  for (const { atMs, run } of actions) {
    if (atMs > cutMs) break;
    await simulation.advance(atMs - simulation.clock.now());
    await run(simulation);
  }
  await simulation.advance(cutMs - simulation.clock.now());
  await simulation.close({ timeoutMs: closeTimeoutMs });
  return simulation;
}

function callActions(dice: Dice, shapes: readonly ServiceShape[], lengthMs: number): Action[] {
  const hosts = shapes.map(({ host }) => host);
  return Array.from({ length: dice.integer(20, 60) }, () => {
    const plan = randomCall(dice, hosts);
    const atMs = dice.integer(0, lengthMs);
    let caller: Caller | undefined;
    const call: Action = {
      atMs,
      run(simulation) {
        caller = makeCall(simulation, plan);
      },
    };
    const abort: Action = { atMs: atMs + (plan.abortAfterMs ?? 0), run: () => caller?.abort() };
    return plan.abortAfterMs ? [call, abort] : [call];
  }).flat();
}

function changeActions(dice: Dice, shapes: readonly ServiceShape[], lengthMs: number): Action[] {
  const changes = dice.chance(0.5) ? dice.integer(1, 5) : 0;
  return Array.from({ length: changes }, () => ({ atMs: dice.integer(0, lengthMs), run: randomChange(dice, shapes) }));
}

function randomChange(dice: Dice, shapes: readonly ServiceShape[]): Action['run'] {
  const shape = shapes[dice.integer(0, shapes.length - 1)] as ServiceShape;
  const some = addressesOf(shape).filter(() => dice.chance(0.6));
  const document = randomDocument(dice, shapes);
  const profile = randomProfile(dice);
  return dice.pick<Action['run']>(
    (simulation) => accepted(simulation, document),
    (simulation) => refused(simulation),
    (simulation) => simulation.setEndpoints(shape.host, some),
    (simulation) => simulation.setEndpoints(shape.host, undefined),
    (simulation) => simulation.network.setProfile(addressOf(shape.host, 1), profile),
  );
}

async function accepted(simulation: Simulation, document: MeshDocument): Promise<void> {
  const verdict = await simulation.reconfigure(document);
  if (!verdict.accepted) throw new Error(`seed ${simulation.seed}: ${verdict.problems.join('\n')}`);
}

/** A document that is not valid changes nothing. */
async function refused(simulation: Simulation): Promise<void> {
  const services = () => JSON.stringify(simulation.mesh.status().services);
  const before = services();
  const verdict = await simulation.reconfigure(invalid);
  if (verdict.accepted || services() !== before)
    throw new Error(`seed ${simulation.seed}: an invalid document had effect`);
}

function addressesOf({ host, endpoints }: ServiceShape): string[] {
  return Array.from({ length: endpoints }, (_, index) => addressOf(host, index + 1));
}
