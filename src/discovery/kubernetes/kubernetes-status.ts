/**
 * What went wrong, when the API of Kubernetes answers with a status? Its body says so (a `Status` object), be it the
 * body of a reply or an event within a watch. Messages say what was asked, and what a refusal means.
 */
import { MeshError } from '../../core/errors.ts';

/** What was asked. */
export interface AskedResource {
  /** Of the registry. */
  readonly registry: string;
  /** For people: `endpointslices of namespace shop, service reviews`. */
  readonly what: string;
}

/** The resource version that was asked for is not kept any more: it has to be listed again. */
export const goneStatus = 410;

/** Something else is there than what was expected. */
export const conflictStatus = 409;

/** It is not known who asks. */
const unauthorizedStatus = 401;

/** Who asks may not. */
const forbiddenStatus = 403;

/** A longer message is cut. */
const maxMessageLength = 500;

/** What is read of a body that says what went wrong. */
const maxErrorBytes = 64 * 1024;

/** Of the errors that were made here. */
const statuses = new WeakMap<object, number>();

/**
 * The error for a status.
 *
 * @param body of the reply, or the object of an `ERROR` event.
 */
export function statusError({ registry, what }: AskedResource, status: number, body: unknown): MeshError {
  const said = typeof body === 'string' ? parse(body) : body;
  const { message } = (said ?? {}) as { message?: unknown };
  const reason = typeof message === 'string' ? `: ${message.slice(0, maxMessageLength)}` : '';
  const error = new MeshError('INMESH_REGISTRY', `${registry}: ${what}: status ${status}${reason}${advice(status)}`);
  statuses.set(error, status);
  return error;
}

/** Whether `error` is of a server that did not do what was asked because of who asked: that mends itself seldom. */
export function isRefusal(error: Error): boolean {
  return statuses.get(error) === unauthorizedStatus || isForbidden(error);
}

/** Whether `error` says that who asked may not. */
export function isForbidden(error: Error): boolean {
  return statuses.get(error) === forbiddenStatus;
}

/** The body of a reply with an error, as far as it is of use. */
export async function errorText(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    parts.push(part);
    size += part.length;
    if (size > maxErrorBytes) break;
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The error for an answer that is none. */
export function nonsenseError({ registry, what }: AskedResource, why: string, cause?: unknown): MeshError {
  return new MeshError('INMESH_REGISTRY', `${registry}: ${what}: ${why}`, { cause });
}

function advice(status: number): string {
  if (status === unauthorizedStatus) return ' (the token or certificate is not accepted)';
  return status === forbiddenStatus ? ' (the account lacks a role that allows this)' : '';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
