/**
 * What does etcd say when it refuses? A JSON object with a message and a gRPC code, in other places for each version.
 * What it says becomes an error that names the registry and the key; tokens and passwords are in none of its messages.
 */
import { MeshError } from '../../core/errors.ts';

/** The gRPC codes that the driver tells apart. */
export const etcdCodes = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  failedPrecondition: 9,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** As a cancelled watch names them. */
const codesOfReasons: ReadonlyMap<string, number> = new Map([
  ['PermissionDenied', etcdCodes.permissionDenied],
  ['Unauthenticated', etcdCodes.unauthenticated],
]);

/** A refusal of a server. It has answered, and done nothing. */
export class EtcdRefusal extends Error {
  /** Of gRPC; undefined when something else than etcd answered. */
  readonly grpcCode: number | undefined;

  constructor(grpcCode: number | undefined, message: string) {
    super(message);
    this.grpcCode = grpcCode;
  }

  /** Whether another member may do what this one cannot: it has no leader, or just begins or ends. */
  get isUnavailable(): boolean {
    return this.grpcCode === etcdCodes.unavailable;
  }

  /** Whether the next one will be the same for long: somebody has to change a right or a password. */
  get isLasting(): boolean {
    const { invalidArgument, permissionDenied, unauthenticated } = etcdCodes;
    return [invalidArgument, permissionDenied, unauthenticated].some((code) => code === this.grpcCode);
  }

  /** Whether another token may help. */
  get isOfToken(): boolean {
    // The last two have the code of a bad argument.
    return (
      this.grpcCode === etcdCodes.unauthenticated ||
      /user name is empty|revision of auth store is old/.test(this.message)
    );
  }
}

/** What a body says, in 3.4 `{ error, message, code }`, in 3.5 `{ code, message }`; a stream has either in `error`. */
interface ErrorBody {
  readonly code?: unknown;
  readonly grpc_code?: unknown;
  readonly message?: unknown;
  readonly error?: unknown;
}

/** Reads the body of a reply that is no success. */
export function refusalOfReply(status: number, text: string): EtcdRefusal {
  try {
    const body = JSON.parse(text) as ErrorBody;
    if (typeof body === 'object' && body !== null) return refusalOf(body, `status ${status}`);
  } catch {
    // Not JSON: something else than etcd answered.
  }
  return new EtcdRefusal(undefined, `status ${status}`);
}

/** Reads a refusal that is an object. */
export function refusalOf(body: object, otherwise: string): EtcdRefusal {
  const { code, grpc_code, message, error } = body as ErrorBody;
  if (typeof error === 'object' && error !== null) return refusalOf(error, otherwise);
  const number = typeof code === 'number' ? code : typeof grpc_code === 'number' ? grpc_code : undefined;
  return new EtcdRefusal(number, typeof message === 'string' ? plain(message) : otherwise);
}

/** Reads why a watch was cancelled: `rpc error: code = PermissionDenied desc = etcdserver: permission denied`. */
export function refusalOfReason(reason: string): EtcdRefusal {
  const [, code = '', message = reason] = /^rpc error: code = (\w+) desc = (.*)$/s.exec(reason) ?? [];
  return new EtcdRefusal(codesOfReasons.get(code), plain(message));
}

/** The refusal that caused `error`; undefined when that is none. */
export function refusalBehind(error: unknown): EtcdRefusal | undefined {
  const cause = (error as { cause?: unknown }).cause;
  return cause instanceof EtcdRefusal ? cause : undefined;
}

/** The code of the refusal that caused `error`; undefined when that is none. */
export function refusalCode(error: unknown): number | undefined {
  return refusalBehind(error)?.grpcCode;
}

/**
 * `<registry>: <what>: <reason>`
 *
 * @param what the key, or what else the error is about.
 */
export function etcdError(registry: string, what: string, cause: unknown): MeshError {
  const error = cause as Error;
  if (error instanceof MeshError && error.code !== 'INMESH_REGISTRY') return error;
  const named = `${registry}: `;
  const reason = error.message.startsWith(named) ? error.message.slice(named.length) : error.message;
  // What is wrapped already keeps its first cause, by which refusals are known.
  const first = error instanceof MeshError ? error.cause : error;
  return new MeshError('INMESH_REGISTRY', `${named}${what}: ${reason}`, { cause: first });
}

function plain(message: string): string {
  return message.replace(/^etcdserver: /, '');
}
