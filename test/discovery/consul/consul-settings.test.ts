import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isMeshError } from '../../../src/core/errors.ts';
import { consulSettings } from '../../../src/discovery/consul/consul-settings.ts';

describe('consulSettings', () => {
  it('has defaults for everything but the host', () => {
    const { token, ...settings } = consulSettings('//consul.internal', {});
    expect(settings).toEqual({
      name: 'consul://consul.internal:8500',
      root: 'consul://consul.internal:8500',
      hosts: ['consul.internal:8500'],
      prefix: 'inmesh',
      isPrefixGiven: false,
      tls: undefined,
      waitMs: 30_000,
      passing: true,
      scope: {},
      agentScope: {},
      freshness: { stale: '' },
      selection: { passing: 'true' },
    });
  });

  it('reads every parameter', () => {
    const query =
      'tls=true&ca=/ca.pem&cert=/c.pem&key=/k.pem&serverName=server.dc1.consul&dc=dc2&ns=team&partition=p&near=_agent' +
      '&consistent=true&passing=false&tag=v1&filter=Service.Meta.a+%3D%3D+b&wait=20s&token=secret';
    const settings = consulSettings(`//a:1,b/mesh/blue?${query}`, {});
    expect(settings).toMatchObject({
      name: 'consul://a:1,b:8500/mesh/blue?dc=dc2&ns=team&partition=p&tag=v1&filter=Service.Meta.a+%3D%3D+b&passing=false',
      root: 'consul://a:1,b:8500',
      hosts: ['a:1', 'b:8500'],
      prefix: 'mesh/blue',
      isPrefixGiven: true,
      tls: { ca: '/ca.pem', cert: '/c.pem', key: '/k.pem', serverName: 'server.dc1.consul' },
      waitMs: 20_000,
      passing: false,
      scope: { dc: 'dc2', ns: 'team', partition: 'p' },
      agentScope: { ns: 'team', partition: 'p' },
      freshness: { consistent: '' },
      selection: { near: '_agent', tag: 'v1', filter: 'Service.Meta.a == b' },
    });
  });

  it('has a name of its own for each part of a registry that is read, and none for how it is read', () => {
    const name = (query: string) => consulSettings(`//a${query}`, {}).name;
    const parts = ['', '?dc=dc1', '?dc=dc2', '?ns=x', '?partition=x', '?tag=x', '?filter=x', '?passing=false'];
    expect(new Set(parts.map(name)).size).toBe(parts.length);
    expect(name('?token=secret&near=_agent&stale=false&wait=9s&passing=true')).toBe('consul://a:8500');
  });

  it('asks the leader with stale=false', () => {
    expect(consulSettings('//a?stale=false', {}).freshness).toEqual({});
  });

  it.each([
    ['//', 'not an address of consul://'],
    ['', 'not an address of consul://'],
    ['//user:secret@a', 'a user has no meaning; allowed: parameter token'],
    ['//a?tokn=secret', 'unknown parameter tokn; allowed: token, tokenFile'],
    ['//a?secret', 'consul: unknown parameter; allowed: token, tokenFile'],
    ['//a?secret==', 'consul: unknown parameter; allowed: token'],
    ['//a?token=x&my-secret=y', 'consul: unknown parameter; allowed: token'],
    ['//a?token=secret&tokenFile=/x', 'both token and tokenFile are given'],
    ['//a?token=', 'parameter token is empty'],
    ['//a?tokenFile=', 'parameter tokenFile is empty'],
    ['//a?ca=/secret.pem', 'parameter ca has no effect without tls=true'],
    ['//a?tls=maybe', 'parameter tls is neither true nor false'],
    ['//a?stale=true&consistent=true', 'both stale and consistent are true'],
    ['//a?wait=5', 'parameter wait is no duration; allowed: 1s to 600s, 1m to 10m'],
    ['//a?wait=11m', 'parameter wait is no duration'],
    ['//a?wait=0s', 'parameter wait is no duration'],
  ])('refuses %s', (address, message) => {
    const read = () => consulSettings(address, {});
    expect(read).toThrow(message);
    try {
      read();
    } catch (error) {
      expect(isMeshError(error, 'INMESH_OPTION')).toBe(true);
      expect(String(error)).not.toContain('secret');
    }
  });
});

describe('the token of Consul', () => {
  it('is the one of the address, or else of the environment', async () => {
    const env = { CONSUL_HTTP_TOKEN: 'of-env' };
    expect(await consulSettings('//a?token=given', env).token.headers()).toEqual({ 'x-consul-token': 'given' });
    expect(await consulSettings('//a', env).token.headers()).toEqual({ 'x-consul-token': 'of-env' });
    expect(await consulSettings('//a', { CONSUL_HTTP_TOKEN: '' }).token.headers()).toEqual({});
  });

  it('is read again when its file changes, and old and new are cut out of texts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-token-'));
    try {
      const file = join(folder, 'token');
      const { token } = consulSettings(`//a?tokenFile=${file}`, { CONSUL_HTTP_TOKEN: 'of-env' });
      await expect(token.headers()).rejects.toThrow(`tokenFile ${file}: ENOENT`);
      await writeFile(file, 'first\n');
      expect(await token.headers()).toEqual({ 'x-consul-token': 'first' });
      await writeFile(file, 'the second');
      expect(await token.headers()).toEqual({ 'x-consul-token': 'the second' });
      expect(token.scrub('first, the second and a third')).toBe('…, … and a third');
      await writeFile(file, ' \n');
      await expect(token.headers()).rejects.toThrow(`tokenFile ${file}: is empty`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
