import { describe, expectTypeOf, it } from 'vitest';
import { createMesh, type Mesh, type MeshOptions, type MeshRequestResult, type MeshView } from '../../src/index.ts';
import { type MockCall, type MockMesh, mockMesh } from '../../src/testing/index.ts';

type Services = 'reviews' | 'ratings';
type Url = `${'http' | 'https'}://${Services}` | `${'http' | 'https'}://${Services}${'/' | '?' | '#' | ':'}${string}`;

/** The compiler checks these; nothing is opened. */
const typed = {} as Mesh<Services>;
const untyped = {} as Mesh;

describe('the type of a mesh', () => {
  it('has the names of its services in its URLs', () => {
    expectTypeOf(createMesh<Services>).toEqualTypeOf<(options: MeshOptions) => Promise<Mesh<Services>>>();
    expectTypeOf(typed.fetch).parameter(0).toEqualTypeOf<Url | URL | Request>();
    expectTypeOf(typed.request).parameter(0).toEqualTypeOf<Url | URL>();
    expectTypeOf<'http://reviews/42'>().toExtend<Url>();
    expectTypeOf<'https://ratings:8080'>().toExtend<Url>();
    expectTypeOf<'http://details/42'>().not.toExtend<Url>();
    expectTypeOf<'http://reviewsX'>().not.toExtend<Url>();
  });

  it('takes any URL where no names are given', () => {
    expectTypeOf(createMesh).returns.resolves.toEqualTypeOf<Mesh<string>>();
    expectTypeOf(untyped.fetch).parameter(0).toEqualTypeOf<string | URL | Request>();
    expectTypeOf(untyped.request).returns.resolves.toEqualTypeOf<MeshRequestResult>();
  });

  it('keeps the names in its views', () => {
    expectTypeOf(typed.with).returns.toEqualTypeOf<MeshView<Services>>();
    expectTypeOf<MeshView<Services>['fetch']>().toEqualTypeOf(typed.fetch);
  });

  it('gives a command the type of its function', () => {
    expectTypeOf(typed.command<number>).returns.resolves.toEqualTypeOf<number>();
  });

  it('is that of a fetch that fetch can stand in for', () => {
    expectTypeOf(untyped.fetch).toExtend<(input: string | URL | Request, init?: RequestInit) => Promise<Response>>();
    expectTypeOf<NonNullable<RequestInit['dispatcher']>>(untyped.dispatcher);
  });
});

describe('the type of a mocked mesh', () => {
  it('has the names of its handlers', () => {
    const mocked = () => mockMesh({ reviews: () => 1, ratings: async ({ url }) => new Response(url) });
    expectTypeOf(mocked).returns.resolves.toEqualTypeOf<MockMesh<Services>>();
    expectTypeOf<MockMesh<Services>>().toExtend<Mesh<Services>>();
    expectTypeOf<MockMesh['calls']>().toEqualTypeOf<readonly MockCall[]>();
  });

  it('may mock a part of the services that the code under test knows', () => {
    expectTypeOf(() => mockMesh<Services>({ reviews: () => 1 })).returns.resolves.toExtend<Mesh<Services>>();
    // @ts-expect-error: no such service
    expectTypeOf(() => mockMesh<Services>({ revues: () => 1 })).toBeFunction();
    expectTypeOf(() => mockMesh<string>({ reviews: () => 1 })).returns.resolves.toExtend<Mesh>();
  });
});
