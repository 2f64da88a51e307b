/**
 * With which errors does a fake connection fail? With those of undici and of the system, so that what the mesh makes of
 * them is what it makes of real ones.
 */

/** Makes the errors of connections. */
export const networkErrors = {
  connectionRefused: () => codedError('ECONNREFUSED', 'connect ECONNREFUSED'),
  connectTimedOut: () => codedError('UND_ERR_CONNECT_TIMEOUT', 'Connect Timeout Error'),
  connectionReset: () => codedError('ECONNRESET', 'read ECONNRESET'),
  otherSideClosed: () => codedError('UND_ERR_SOCKET', 'other side closed'),
  poolClosed: () => codedError('UND_ERR_CLOSED', 'The client is closed'),
  streamRefused: () => codedError('ERR_HTTP2_STREAM_ERROR', 'Stream closed with error code NGHTTP2_REFUSED_STREAM'),
} as const;

function codedError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
