import { request as undiciRequest } from '../../src/core/undici.ts';
import type { Mesh, MeshView } from '../../src/index.ts';
import { codeOf } from './code-of.ts';

/** What a client made of a call: its status and body, or a code. */
export type Answer = { readonly status: number; readonly text: string } | string;

type Send = (mesh: Mesh | MeshView, url: string, headers?: Record<string, string>) => Promise<Answer>;

function answered(send: Send): Send {
  return (mesh, url, headers) => send(mesh, url, headers).catch(codeOf);
}

/** The ways into a mesh. */
export const clients: readonly (readonly [string, Send])[] = [
  [
    'mesh.fetch',
    answered(async (mesh, url, headers = {}) => {
      const response = await mesh.fetch(url, { headers });
      return { status: response.status, text: await response.text() };
    }),
  ],
  [
    'mesh.request',
    answered(async (mesh, url, headers = {}) => {
      const { statusCode, body } = await mesh.request(url, { headers });
      return { status: statusCode, text: await body.text() };
    }),
  ],
  [
    'built-in fetch over mesh.dispatcher',
    answered(async ({ dispatcher }, url, headers = {}) => {
      const response = await fetch(url, { headers, dispatcher } as RequestInit);
      return { status: response.status, text: await response.text() };
    }),
  ],
  [
    'undici.request over mesh.dispatcher',
    answered(async ({ dispatcher }, url, headers = {}) => {
      const { statusCode, body } = await undiciRequest(url, { headers, dispatcher });
      return { status: statusCode, text: await body.text() };
    }),
  ],
];
