import { describe, expect, it } from 'vitest';
import { labelsOfFilter } from '../../../src/discovery/consul/consul-filter.ts';

describe('labelsOfFilter', () => {
  it.each([
    ['', {}],
    ['Service.Meta.version == v1', { version: 'v1' }],
    ['Service.Meta.version == "v 1"', { version: 'v 1' }],
    ['Service.Meta["version"]==`v1`', { version: 'v1' }],
    ['"v1" in Service.Tags', { v1: '' }],
    ['v1 in Service.Tags', { v1: '' }],
    ['"version=v1" in Service.Tags', { version: 'v1' }],
    ['Service.Tags contains "canary"', { canary: '' }],
    ['Service.Meta.a == b and "c" in Service.Tags', { a: 'b', c: '' }],
    [' Service.Meta.a == "x and y"  and  Service.Meta.b == c ', { a: 'x and y', b: 'c' }],
  ])('reads %j', (filter, labels) => {
    expect(labelsOfFilter(filter)).toEqual(labels);
  });

  it.each([
    'Service.Meta.version != v1',
    'Service.Meta.version matches "v.*"',
    'Service.Meta.version == v1 or Service.Meta.version == v2',
    'Service.Meta.version == v1 and Service.Meta.version == v2',
    'not "v1" in Service.Tags',
    '"v1" not in Service.Tags',
    'Service.Port == 80',
    'Service.Meta.inmesh-state == draining',
    'Service.Meta.a == "b\\"c"',
    'Service.Meta.a == "b',
    '(Service.Meta.a == b)',
    'Service.Meta.a == b and',
    'Node.Meta.a == b',
  ])('cannot say %j by labels', (filter) => {
    expect(labelsOfFilter(filter)).toBeUndefined();
  });
});
