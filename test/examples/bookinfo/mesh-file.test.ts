import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { MeshFile } from '../../../examples/bookinfo/mesh-file.ts';
import { compile } from '../../../src/config/compile.ts';

const source = new URL('../../../examples/bookinfo/mesh.yaml', import.meta.url);

let file: MeshFile;
afterEach(() => file.delete());

async function configured() {
  const result = await compile([{ name: 'mesh.yaml', text: readFileSync(file.path, 'utf8') }]);
  if (!result.ok) throw new Error(result.problems.join('\n'));
  expect(result.warnings).toEqual([]);
  return result.config;
}

describe('the document of Bookinfo', () => {
  it('is valid, and every endpoint is a process with a name of its own', async () => {
    file = new MeshFile(source);
    const config = await configured();
    expect([...config.services.keys()]).toEqual(['productpage', 'details', 'reviews', 'ratings']);
    expect(file.placements.map(({ replica }) => replica)).toEqual([
      'productpage-1',
      'details-1',
      'reviews-v1-1',
      'reviews-v1-2',
      'reviews-v2-1',
      'reviews-v2-2',
      'reviews-v3-1',
      'reviews-v3-2',
      'ratings-1',
      'ratings-2',
    ]);
  });

  it('takes the ports of the processes', async () => {
    file = new MeshFile(source);
    file.setPorts(file.placements.map((placement, index) => [placement, 40_000 + index]));
    const { services } = await configured();
    expect(services.get('reviews')?.endpoints.map(({ port, labels }) => [port, labels.version])).toEqual([
      [40_002, 'v1'],
      [40_003, 'v1'],
      [40_004, 'v2'],
      [40_005, 'v2'],
      [40_006, 'v3'],
      [40_007, 'v3'],
    ]);
    expect(services.get('ratings')?.endpoints.map(({ port }) => port)).toEqual([40_008, 40_009]);
  });

  it('stays valid, with its comments, when calls are shared and a user is routed', async () => {
    file = new MeshFile(source);
    file.setWeights({ v1: 90, v3: 10 });
    file.addUserRoute('jason', 'v2');
    // The rule for everyone is the last one, also now.
    file.setWeights({ v3: 100 });
    const rules = (await configured()).routes.get('reviews');
    expect(rules?.map(({ name }) => name)).toEqual(['jason', 'everyone']);
    const text = readFileSync(file.path, 'utf8');
    expect(text).toContain('# black stars');
    expect(text).toMatch(/subset: v3\n\s+weight: 100/);
    expect(text).not.toContain('subset: v1');
  });

  it('says nothing of addresses once they are removed, and stays valid', async () => {
    file = new MeshFile(source);
    file.removeEndpoints();
    file.setWeights({ v1: 90, v3: 10 });
    const { services, routes } = await configured();
    expect([...services.values()].flatMap(({ endpoints }) => endpoints)).toEqual([]);
    expect(services.get('reviews')?.subsets.size).toBe(3);
    expect(routes.has('reviews')).toBe(true);
    expect(file.placements).toHaveLength(10);
  });

  it('leaves nothing behind when it is deleted', () => {
    file = new MeshFile(source);
    expect(existsSync(file.path)).toBe(true);
    file.delete();
    expect(existsSync(file.path)).toBe(false);
  });
});
