/**
 * Who says what a body is? Fetch says it for its callers; for the callers of `mesh.request` and the dispatcher it is said
 * here, of the two kinds of body that know it: forms and Blobs. undici would say it of Blobs over HTTP/1.1 only, and
 * takes no forms but its own.
 */
import type { HeaderList } from '../core/call.ts';
import { findHeader } from './header-list.ts';
import { isFormData, multipartBlob } from './multipart.ts';
import type { BodyInput } from './request-body.ts';

/** `body`, a form as the Blob that is sent of it. */
export function formAsBlob(body: BodyInput): BodyInput {
  return typeof body === 'object' && body !== null && isFormData(body) ? multipartBlob(body) : body;
}

/** `headers` with the content type of a Blob, unless the caller has given one. */
export function withTypeOf(body: BodyInput, headers: HeaderList): HeaderList {
  if (!(body instanceof Blob) || body.type === '' || findHeader(headers, 'content-type') !== undefined) return headers;
  return [...headers, 'content-type', body.type];
}
