import type { RawDocument, Sink, Verdict } from '../../src/discovery/registry.ts';

/** The sink of documents `{ addresses: [...] }` that tells `sink` the addresses; what is no such document is empty. */
export function documentAddresses(sink: Sink<readonly string[]>): Sink<readonly RawDocument[]> {
  return {
    set: (documents, version): Verdict | Promise<Verdict> => sink.set(addressesOf(documents[0]), version),
    absent: (version) => sink.absent(version),
    failed: (error) => sink.failed(error),
  };
}

function addressesOf(document: RawDocument | undefined): readonly string[] {
  try {
    const value = document?.text === undefined ? document?.value : JSON.parse(document.text);
    return (value as { addresses?: readonly string[] }).addresses ?? [];
  } catch {
    return [];
  }
}
