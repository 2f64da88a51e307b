/**
 * How does a service get a mesh without a line of code? `node --import inmesh/register server.js`, with
 * `INMESH_REGISTRY` (required), `INMESH_SERVICE` (default: the name of its package), `INMESH_SNAPSHOT` (the path of a
 * snapshot; none by default), `INMESH_LOCALITY` (`region/zone/subzone`) and `INMESH_UNKNOWN` (`pass`, the default, or `refuse`).
 */
import { MeshError } from '../core/errors.ts';
import { createMesh } from './create-mesh.ts';
import type { InstallOptions } from './install.ts';

const { INMESH_REGISTRY, INMESH_SERVICE, INMESH_SNAPSHOT, INMESH_LOCALITY, INMESH_UNKNOWN, npm_package_name } =
  process.env;
if (!INMESH_REGISTRY) {
  throw new MeshError('INMESH_OPTION', 'INMESH_REGISTRY is not set; allowed is an address such as file:./mesh.yaml');
}
const mesh = await createMesh({
  service: INMESH_SERVICE ?? npm_package_name ?? 'unnamed',
  registry: INMESH_REGISTRY,
  ...(INMESH_SNAPSHOT ? { snapshot: INMESH_SNAPSHOT } : undefined),
  ...(INMESH_LOCALITY ? { locality: INMESH_LOCALITY } : undefined),
});
mesh.install({ unknown: (INMESH_UNKNOWN ?? 'pass') as NonNullable<InstallOptions['unknown']> });
