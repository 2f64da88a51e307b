/**
 * How is a change of a file noticed at once? By watching its folder: a watch on the file itself would follow the old
 * file when an editor or a deployment puts a new one in its place. A folder may be deleted and made again, so watches
 * are compared with what is there now and then.
 */
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isDocumentName } from './document-files.ts';

interface FolderWatch {
  readonly watcher: FSWatcher;
  /** Tells a folder from its successor of the same name. */
  readonly inode: bigint;
}

/** Watches the folders of some paths. Does not keep the process alive. */
export class FolderWatches {
  private readonly watches = new Map<string, FolderWatch>();
  private readonly paths: readonly string[];
  private readonly names: ReadonlySet<string>;
  private readonly onChange: () => void;
  private closed = false;

  /** @param onChange called for each event that may concern one of the paths; often several times a change. */
  constructor(paths: readonly string[], onChange: () => void) {
    this.paths = paths;
    this.names = new Set(paths.map((path) => basename(path)));
    this.onChange = onChange;
  }

  /** Watches what is not watched (any more). A folder that is not there, or cannot be watched, is left to the poll. */
  async renew(): Promise<void> {
    for (const path of this.paths) {
      await this.renewFolder(dirname(path));
      await this.renewFolder(path);
    }
  }

  close(): void {
    this.closed = true;
    for (const folder of [...this.watches.keys()]) this.drop(folder);
  }

  private async renewFolder(folder: string): Promise<void> {
    const found = await stat(folder, { bigint: true }).catch(() => undefined);
    const inode = found?.isDirectory() ? found.ino : undefined;
    if (this.closed || this.watches.get(folder)?.inode === inode) return;
    this.drop(folder);
    if (inode === undefined) return;
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (this.concerns(name)) this.onChange();
      });
      watcher.on('error', () => this.drop(folder));
      this.watches.set(folder, { watcher, inode });
    } catch {
      // No watches left (ENOSPC), or no right to: the poll sees the change a little later.
    }
  }

  /** Beside our own files, `..data`: the link that Kubernetes swaps when a ConfigMap changes. */
  private concerns(name: string | null): boolean {
    return name === null || this.names.has(name) || isDocumentName(name) || name.startsWith('..');
  }

  private drop(folder: string): void {
    this.watches.get(folder)?.watcher.close();
    this.watches.delete(folder);
  }
}
