import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { CertificateFolder } from '../tls/certificate-folder.ts';
import { createAuthority } from '../tls/test-authority.ts';
import { reviews, type VirtualMesh, virtualMesh } from './virtual-mesh.ts';

let folder: CertificateFolder;
let virtual: VirtualMesh;
beforeEach(async () => {
  folder = await CertificateFolder.create();
});
afterEach(async () => {
  await virtual.close();
  await folder.remove();
});

describe('a change of the TLS of a service', () => {
  it('reads the files of the new settings, and no longer those of the old', async () => {
    const authority = await createAuthority();
    const cleartext = { services: [reviews(['10.0.0.1:80'])] };
    const opened = await virtualMesh(cleartext);
    virtual = opened;
    const { registry, clock } = opened;
    // The certificate is one of today.
    vi.spyOn(clock, 'wallTime').mockReturnValue(systemClock.wallTime());
    const timers = clock.pendingTimers;
    for (const name of ['one.crt', 'two.crt']) {
      const caCertificates = await folder.write(name, authority.cert);
      const services = [reviews(['10.0.0.1:80'], { tls: { mode: 'SIMPLE', caCertificates } })];
      expect(await registry.setDocument({ services })).toEqual({ accepted: true });
      await clock.advance(0);
      // The poll of one source.
      expect(clock.pendingTimers).toBe(timers + 1);
    }
    expect(await registry.setDocument(cleartext)).toEqual({ accepted: true });
    await clock.advance(0);
    expect(clock.pendingTimers).toBe(timers);
  });
});
