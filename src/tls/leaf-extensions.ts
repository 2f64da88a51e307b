/**
 * What does a certificate say of its bearer and its use? The four extensions that decide whether a leaf may prove an
 * identity (RFC 5280, 4.2.1), read from DER.
 */
import { type DerElement, derTags, readElement, readElements } from './der-reader.ts';

/** The extensions of a certificate. */
export interface LeafExtensions {
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Basic constraints: cA. */
  readonly isAuthority: boolean;
  /** `undefined` when the certificate has no such extension. */
  readonly keyUsage: KeyUsage | undefined;
  /** Object identifiers in hex; `undefined` when the certificate has no such extension. */
  readonly extendedKeyUsage: readonly string[] | undefined;
}

/** The bits of the key usage that matter to a leaf. */
export interface KeyUsage {
  readonly critical: boolean;
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly crlSign: boolean;
}

/** Object identifiers, their content octets in hex. */
const oids = Object.freeze({
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  extendedKeyUsage: '551d25',
});

/** Purposes of the extended key usage, in hex: 1.3.6.1.5.5.7.3.1 and .2. */
export const purposes = Object.freeze({ serverAuth: '2b06010505070301', clientAuth: '2b06010505070302' });

/** GeneralName: [2] dNSName, [6] uniformResourceIdentifier. */
const dnsNameTag = 0x82;
const uriTag = 0x86;
/** TBSCertificate: [3] EXPLICIT extensions. */
const extensionsTag = 0xa3;

/**
 * Reads the extensions of a certificate.
 *
 * @param der of the certificate.
 * @throws RangeError when the bytes are not a certificate, or an extension occurs twice.
 */
export function readLeafExtensions(der: Buffer): LeafExtensions {
  const certificate = readElements(readElement(der, derTags.sequence));
  const toBeSigned = readElements(certificate[0]?.content ?? Buffer.alloc(0));
  const wrapped = toBeSigned.find(({ tag }) => tag === extensionsTag);
  const extensions = new Map<string, { critical: boolean; value: Buffer }>();
  for (const { content } of wrapped === undefined ? [] : readElements(readElement(wrapped.content, derTags.sequence))) {
    const { oid, ...extension } = readExtension(readElements(content));
    if (extensions.has(oid)) throw new RangeError('an extension occurs twice');
    extensions.set(oid, extension);
  }
  const names = sequenceOf(extensions.get(oids.subjectAltName)?.value) ?? [];
  const constraints = sequenceOf(extensions.get(oids.basicConstraints)?.value) ?? [];
  const usage = extensions.get(oids.keyUsage);
  return {
    dnsNames: textsOf(names, dnsNameTag),
    uris: textsOf(names, uriTag),
    isAuthority: constraints[0]?.tag === derTags.boolean && isTrue(constraints[0]),
    keyUsage: usage === undefined ? undefined : readKeyUsage(usage.critical, usage.value),
    extendedKeyUsage: sequenceOf(extensions.get(oids.extendedKeyUsage)?.value)?.map(({ content }) =>
      content.toString('hex'),
    ),
  };
}

function readExtension(parts: readonly DerElement[]): { oid: string; critical: boolean; value: Buffer } {
  const [id, second, third] = parts;
  const hasCritical = second?.tag === derTags.boolean;
  const value = hasCritical ? third : second;
  if (id?.tag !== derTags.objectId || value?.tag !== derTags.octetString) throw new RangeError('not an extension');
  return { oid: id.content.toString('hex'), critical: hasCritical && isTrue(second), value: value.content };
}

function isTrue({ content }: DerElement): boolean {
  return content.length === 1 && content[0] !== 0;
}

function sequenceOf(value: Buffer | undefined): DerElement[] | undefined {
  return value === undefined ? undefined : readElements(readElement(value, derTags.sequence));
}

/** Latin-1, so that every byte stays what it is: a NUL or a non-ASCII byte can equal nothing that is configured. */
function textsOf(names: readonly DerElement[], tag: number): string[] {
  return names.filter((name) => name.tag === tag).map(({ content }) => content.toString('latin1'));
}

function readKeyUsage(critical: boolean, value: Buffer): KeyUsage {
  const bits = readElement(value, derTags.bitString);
  // The first octet counts the unused bits of the last one; bit 0 is the highest.
  const first = bits.length > 1 ? bits[1]! : 0;
  return {
    critical,
    digitalSignature: (first & 0x80) !== 0,
    keyCertSign: (first & 0x04) !== 0,
    crlSign: (first & 0x02) !== 0,
  };
}
