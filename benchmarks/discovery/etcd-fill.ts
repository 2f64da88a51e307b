/** Endpoints of services in etcd, many at a time. */
import type { EtcdCluster } from '../../test/backends/etcd-server.ts';

const perTransaction = 100;

/** Base64, as the JSON gateway has keys and values. */
export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The key of an endpoint. */
export function endpointKeyOf(service: string, address: string): string {
  return base64(`inmesh/endpoints/${service}/${address}`);
}

/** Any number of addresses of loopback. */
export function loopback(index: number, port: number): string {
  return `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:${port}`;
}

/** Puts endpoints of a service. */
export async function fill(etcd: EtcdCluster, service: string, addresses: readonly string[]): Promise<void> {
  for (let start = 0; start < addresses.length; start += perTransaction) {
    const success = addresses.slice(start, start + perTransaction).map((address) => ({
      requestPut: { key: endpointKeyOf(service, address), value: base64(JSON.stringify({ address })) },
    }));
    await etcd.send('/v3/kv/txn', { success });
  }
}
