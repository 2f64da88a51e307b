import { mkdir, rename, symlink } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { events } from '../../src/core/events.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { certificateFiles } from '../../src/tls/certificate-files.ts';
import { CertificateSource, type TlsMaterial } from '../../src/tls/certificate-source.ts';
import { CertificateSources } from '../../src/tls/certificate-sources.ts';
import { CertificateFolder } from './certificate-folder.ts';
import { createAuthority, type IssuedLeaf, type TestAuthority } from './test-authority.ts';

let authority: TestAuthority;
let first: IssuedLeaf;
let second: IssuedLeaf;
let folder: CertificateFolder;

beforeAll(async () => {
  authority = await createAuthority();
  first = await authority.issue({ dns: ['productpage'] });
  second = await authority.issue({ dns: ['productpage'] });
});

beforeEach(async () => {
  folder = await CertificateFolder.create();
  await folder.write('ca.crt', authority.cert);
  await folder.writeLeaf(first);
});

afterEach(() => folder.remove());

function nextMaterial(source: CertificateSource): Promise<TlsMaterial> {
  return new Promise((resolve) => {
    const forget = source.onChange((material) => {
      forget();
      resolve(material);
    });
  });
}

describe('CertificateSource', () => {
  let source: CertificateSource | undefined;

  const open = async (clock = systemClock, files = certificateFiles(folder.options())) => {
    source = await CertificateSource.open(files, { clock });
    return source;
  };

  afterEach(() => source?.close());

  it('refuses to open files that are not good', async () => {
    await folder.write('tls.crt', second.cert);
    await expect(open()).rejects.toMatchObject({ code: 'INMESH_TLS' });
  });

  it('notices files that are replaced by a rename', async () => {
    const opened = await open();
    const before = opened.current;
    const changed = nextMaterial(opened);
    await folder.writeLeaf(second);
    const material = await changed;
    expect(material).toMatchObject({ cert: second.cert, key: second.key, ca: authority.cert, version: 2 });
    expect(opened.current).toBe(material);
    expect(before).toMatchObject({ cert: first.cert, version: 1 });
    expect(Object.isFrozen(material)).toBe(true);
  });

  it('notices the symlink swap of a Kubernetes volume', async () => {
    const write = async (version: string, leaf: IssuedLeaf) => {
      await mkdir(folder.file(version));
      for (const [name, text] of Object.entries({
        'ca.crt': authority.cert,
        'tls.crt': leaf.cert,
        'tls.key': leaf.key,
      })) {
        await folder.write(`${version}/${name}`, text);
      }
    };
    await write('..v1', first);
    await symlink('..v1', folder.file('..data'));
    await mkdir(folder.file('mount'));
    const [ca, cert, key] = ['ca.crt', 'tls.crt', 'tls.key'].map((name) => folder.file(`link-${name}`)) as [
      string,
      string,
      string,
    ];
    for (const [path, name] of [
      [ca, 'ca.crt'],
      [cert, 'tls.crt'],
      [key, 'tls.key'],
    ] as const) {
      await symlink(`..data/${name}`, path);
    }
    const opened = await open(systemClock, { ca, cert, key });
    const changed = nextMaterial(opened);
    await write('..v2', second);
    await symlink('..v2', folder.file('..data_tmp'));
    await rename(folder.file('..data_tmp'), folder.file('..data'));
    expect(await changed).toMatchObject({ cert: second.cert, version: 2 });
  });

  it('finds a change by its poll where watching does not: a folder reached by a link that is swapped', async () => {
    const clock = new VirtualClock(systemClock.wallTime());
    for (const [version, leaf] of Object.entries({ v1: first, v2: second })) {
      await mkdir(folder.file(version));
      await folder.write(`${version}/tls.crt`, leaf.cert);
      await folder.write(`${version}/tls.key`, leaf.key);
    }
    await symlink('v1', folder.file('current'));
    const [cert, key] = [folder.file('current/tls.crt'), folder.file('current/tls.key')];
    const opened = await open(clock, { ca: undefined, cert, key });
    await symlink('v2', folder.file('next'));
    await rename(folder.file('next'), folder.file('current'));
    const changed = nextMaterial(opened);
    await clock.advance(60_000);
    expect(await changed).toMatchObject({ cert: second.cert });
  });

  it('keeps the last good certificates when a reload fails, says so, and recovers', async () => {
    const opened = await open(new VirtualClock(systemClock.wallTime()));
    const messages: unknown[] = [];
    const listener = (message: unknown) => messages.push(message);
    events.certificates.subscribe(listener);
    try {
      await folder.write('tls.crt', second.cert);
      await opened.reload();
      expect(opened.current).toMatchObject({ cert: first.cert, version: 1 });
      expect(opened.lastError).toMatchObject({ code: 'INMESH_TLS' });
      await folder.write('tls.key', second.key);
      await opened.reload();
      expect(opened.current).toMatchObject({ cert: second.cert, version: 2 });
      expect(opened.lastError).toBeUndefined();
    } finally {
      events.certificates.unsubscribe(listener);
    }
    expect(messages).toEqual([
      { files: expect.any(Array), error: expect.objectContaining({ code: 'INMESH_TLS' }) },
      { files: expect.any(Array), version: 2 },
    ]);
  });

  it('keeps the last good certificates when OpenSSL refuses the new ones, and tells no listener', async () => {
    const opened = await open(new VirtualClock(systemClock.wallTime()));
    let changes = 0;
    opened.onChange(() => changes++);
    await folder.writeLeaf(await authority.issue({ weakKey: true }));
    await opened.reload();
    expect([changes, opened.current.version]).toEqual([0, 1]);
    expect(opened.lastError).toMatchObject({ code: 'INMESH_TLS', message: expect.stringContaining('cannot be used') });
  });

  it('keeps the last good certificates when a listener throws, tells the others, and tries again', async () => {
    const opened = await open(new VirtualClock(systemClock.wallTime()));
    const cause = new Error('no pool');
    const told: number[] = [];
    let fails = true;
    opened.onChange(() => {
      if (fails) throw cause;
    });
    opened.onChange(({ version }) => void told.push(version));
    await folder.writeLeaf(second);
    await opened.reload();
    expect(opened.current).toMatchObject({ cert: first.cert, version: 1 });
    expect(opened.lastError).toMatchObject({ code: 'INMESH_TLS', cause });
    fails = false;
    await opened.reload();
    expect(opened.current).toMatchObject({ cert: second.cert, version: 2 });
    expect([told, opened.lastError]).toEqual([[2, 2], undefined]);
  });

  it('tells nobody when the files are written again with the same content', async () => {
    const opened = await open(new VirtualClock(systemClock.wallTime()));
    let changes = 0;
    opened.onChange(() => changes++);
    await folder.writeLeaf(first);
    await opened.reload();
    expect(changes).toBe(0);
    expect(opened.current.version).toBe(1);
  });

  it('reports a certificate that expires while it is in use', async () => {
    const clock = new VirtualClock(systemClock.wallTime());
    const opened = await open(clock);
    // Far beyond one poll: the read that it began is joined by the first reload, the second one starts anew.
    await clock.advance(2 * 3_600_000);
    await opened.reload();
    await opened.reload();
    expect(opened.lastError).toMatchObject({ message: expect.stringContaining('expired') });
    expect(opened.current.cert).toBe(first.cert);
  });

  it('keeps no process alive, and leaves no timer when it is closed', async () => {
    const clock = new VirtualClock(systemClock.wallTime());
    const opened = await open(clock);
    expect(clock.pendingTimers).toBe(clock.pendingBackgroundTimers);
    opened.close();
    await opened.reload();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('CertificateSources', () => {
  it('shares a source among users of the same files, and closes it with the last', async () => {
    const clock = new VirtualClock(systemClock.wallTime());
    const sources = new CertificateSources({ clock });
    const one = await sources.acquire(folder.options());
    const two = await sources.acquire(folder.options({ subjectAltNames: ['other'], sni: 'other' }));
    const simple = await sources.acquire(folder.options({ mode: 'SIMPLE' }));
    expect(two.source).toBe(one.source);
    expect(simple.source).not.toBe(one.source);
    expect(sources.size).toBe(2);
    one.release();
    one.release();
    expect(sources.size).toBe(2);
    two.release();
    simple.release();
    expect(sources.size).toBe(0);
    await Promise.resolve();
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps nothing of files that are not good', async () => {
    const sources = new CertificateSources({ clock: systemClock });
    await folder.write('ca.crt', '');
    await expect(sources.acquire(folder.options())).rejects.toMatchObject({ code: 'INMESH_TLS' });
    expect(sources.size).toBe(0);
    await folder.write('ca.crt', authority.cert);
    const lease = await sources.acquire(folder.options());
    expect(lease.source.current.version).toBe(1);
    lease.release();
  });
});
