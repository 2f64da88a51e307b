/**
 * A program that starts the server of a registry and has no chance to stop it: `node server-owner.ts consul` tells the
 * address when it answers.
 */
import { RegistryServer, registryKinds } from '../../../examples/bookinfo/registry-server.ts';

const kind = registryKinds.find((known) => known === process.argv[2]);
if (kind === undefined) throw new Error(`allowed: ${registryKinds.join(', ')}`);
const server = await RegistryServer.open(kind);
await server.start();
process.stdout.write(server.address);
