/**
 * Who may answer for a service? A server whose certificate, besides its valid chain, carries an identity that the
 * document expects. Names are compared exactly; wildcards of a certificate are text. Everything unclear is a refusal.
 *
 * Node calls this for full handshakes only, never for resumed sessions; hence connectors do not keep sessions.
 */
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { MeshError } from '../core/errors.ts';
import { type LeafExtensions, purposes, readLeafExtensions } from './leaf-extensions.ts';
import { parseSpiffeId } from './spiffe-id.ts';
import type { TlsOptions } from './tls-options.ts';

/** What Node calls with the host it connects to and the certificate of the server. */
export type PeerVerifier = (host: string, certificate: PeerCertificate) => MeshError | undefined;

/**
 * The check of the identity of the servers of a service.
 *
 * @param serverName the name that the certificate has to be for when no `subjectAltNames` are given.
 * @returns a function that answers with a `MeshError` `INMESH_IDENTITY`, or `undefined` when the peer is right.
 * @throws MeshError `INMESH_OPTION` for a name in `subjectAltNames` that is neither a DNS name nor a SPIFFE ID.
 */
export function peerVerifier(options: Pick<TlsOptions, 'subjectAltNames'>, serverName: string): PeerVerifier {
  const names = options.subjectAltNames;
  if (names.length === 0) {
    // Not the host of the connection: that is the address of an endpoint, which the registry says.
    return (_host, certificate) => {
      const mismatch = checkServerIdentity(serverName, certificate);
      return mismatch === undefined ? undefined : identityError(serverName, mismatch.message, mismatch);
    };
  }
  const spiffeIds = new Set<string>();
  const dnsNames = new Set<string>();
  for (const name of names) {
    if (name.includes('://')) spiffeIds.add(requireWorkloadId(name));
    else dnsNames.add(requireDnsName(name));
  }
  return (_host, certificate) => {
    let problem: string | undefined;
    try {
      problem = mismatchOf(readLeafExtensions(certificate.raw), spiffeIds, dnsNames);
    } catch (cause) {
      return identityError(serverName, 'the certificate of the peer cannot be read', cause);
    }
    return problem === undefined ? undefined : identityError(serverName, problem, undefined);
  };
}

/** Whether `name` may stand in `subjectAltNames`: a DNS name, or a SPIFFE ID with a path. */
export function isPeerName(name: string): boolean {
  return name.includes('://') ? workloadId(name) !== undefined : isDnsName(name);
}

function requireWorkloadId(name: string): string {
  const id = workloadId(name);
  if (id === undefined) {
    throw new MeshError(
      'INMESH_OPTION',
      `subjectAltNames has ${name}; allowed are DNS names and SPIFFE IDs with a path`,
    );
  }
  return id;
}

function workloadId(name: string): string | undefined {
  const id = parseSpiffeId(name);
  return id === undefined || id.path === '' ? undefined : id.text;
}

function isDnsName(name: string): boolean {
  return isIP(name) === 0 && /^[A-Za-z0-9*_-]+(\.[A-Za-z0-9_-]+)*$/.test(name);
}

function requireDnsName(name: string): string {
  if (!isDnsName(name)) {
    throw new MeshError('INMESH_OPTION', `subjectAltNames has ${name}; allowed are DNS names and SPIFFE IDs`);
  }
  return name.toLowerCase();
}

/** Why the leaf bears none of the names; `undefined` when it does. */
function mismatchOf(
  leaf: LeafExtensions,
  spiffeIds: ReadonlySet<string>,
  dnsNames: ReadonlySet<string>,
): string | undefined {
  // An authority's key signs other certificates; one that also answers requests is misissued or stolen.
  if (leaf.isAuthority) return 'the peer shows the certificate of an authority';
  if (leaf.dnsNames.some((name) => dnsNames.has(name.toLowerCase()))) return undefined;
  if (spiffeIds.size > 0) {
    const uri = leaf.uris[0];
    // X509-SVID, 2: exactly one. With two, which of them is the identity would be the peer's choice.
    if (leaf.uris.length > 1) return 'the certificate of the peer has more than one URI';
    if (uri !== undefined && parseSpiffeId(uri) !== undefined && spiffeIds.has(uri)) return svidProblem(leaf);
  }
  const found = [...leaf.uris, ...leaf.dnsNames].map((name) => JSON.stringify(name)).join(', ');
  return `expected one of ${[...spiffeIds, ...dnsNames].join(', ')}; the certificate of the peer has ${found || 'no name'}`;
}

/** The rules of an X509-SVID leaf beyond its name (SPIFFE X509-SVID, 4 and 5). */
function svidProblem({ keyUsage, extendedKeyUsage }: LeafExtensions): string | undefined {
  if (keyUsage === undefined || !keyUsage.critical || !keyUsage.digitalSignature) {
    return 'the certificate of the peer is not marked for signatures (key usage)';
  }
  if (keyUsage.keyCertSign || keyUsage.crlSign) return 'the certificate of the peer may sign certificates (key usage)';
  if (extendedKeyUsage === undefined) return undefined;
  return extendedKeyUsage.includes(purposes.serverAuth) && extendedKeyUsage.includes(purposes.clientAuth)
    ? undefined
    : 'the certificate of the peer is not for servers and clients (extended key usage)';
}

function identityError(service: string, problem: string, cause: unknown): MeshError {
  return new MeshError('INMESH_IDENTITY', `${service}: ${problem}`, { service, cause });
}
