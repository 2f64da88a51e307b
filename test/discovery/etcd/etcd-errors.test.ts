import { describe, expect, it } from 'vitest';
import { isMeshError, MeshError } from '../../../src/core/errors.ts';
import {
  EtcdRefusal,
  etcdError,
  refusalCode,
  refusalOf,
  refusalOfReason,
  refusalOfReply,
} from '../../../src/discovery/etcd/etcd-errors.ts';

describe('a refusal', () => {
  it.each([
    ['of 3.4', '{"error":"etcdserver: permission denied","message":"etcdserver: permission denied","code":7}', 7],
    ['of 3.5', '{"code":7,"message":"etcdserver: permission denied"}', 7],
    ['of a stream of 3.4', '{"error":{"grpc_code":7,"message":"etcdserver: permission denied","http_code":403}}', 7],
    ['of a stream of 3.5', '{"error":{"code":7,"message":"etcdserver: permission denied"}}', 7],
  ])('%s is understood', (_, text, code) => {
    expect(refusalOfReply(403, text)).toMatchObject({ message: 'permission denied', grpcCode: code });
    expect(refusalOf(JSON.parse(text), 'unknown')).toMatchObject({ message: 'permission denied', grpcCode: code });
  });

  it.each(['', '<html>502</html>', 'null', '[]', '{"code":"x"}'])('of something else, %j, is its status', (text) => {
    expect(refusalOfReply(502, text)).toMatchObject({ message: 'status 502', grpcCode: undefined });
  });

  it.each([
    [new EtcdRefusal(16, 'invalid auth token'), true],
    [new EtcdRefusal(3, 'user name is empty'), true],
    [new EtcdRefusal(3, 'revision of auth store is old'), true],
    [new EtcdRefusal(3, 'authentication failed, invalid user ID or password'), false],
    [new EtcdRefusal(7, 'permission denied'), false],
    [refusalOfReason('rpc error: code = Unauthenticated desc = etcdserver: invalid auth token'), true],
    [refusalOfReason('rpc error: code = PermissionDenied desc = etcdserver: permission denied'), false],
    [refusalOfReason('anything'), false],
  ])('%s is of its token: %s', (refusal, isOfToken) => {
    expect(refusal.isOfToken).toBe(isOfToken);
  });
});

describe('etcdError', () => {
  it('names the registry once, and each thing that it is about', () => {
    const refusal = new EtcdRefusal(5, 'lease not found');
    const inner = etcdError('etcd://a', 'user web', refusal);
    const outer = etcdError('etcd://a', 'inmesh/x', inner);
    expect(outer.message).toBe('etcd://a: inmesh/x: user web: lease not found');
    expect(isMeshError(outer, 'INMESH_REGISTRY')).toBe(true);
    expect([refusalCode(inner), refusalCode(outer), refusalCode(new Error('x'))]).toEqual([5, 5, undefined]);
  });

  it('leaves an error of another kind as it is', () => {
    const closed = new MeshError('INMESH_CLOSED', 'etcd://a: the registry is closed');
    expect(etcdError('etcd://a', 'inmesh/x', closed)).toBe(closed);
  });
});
