/**
 * What if the registry is a file? One file, several, or a folder: each change is a new configuration. Endpoints come
 * with the documents. A file that is missing or cannot be read leaves the last good configuration in force.
 */
import type { Clock } from '../../core/clock.ts';
import { MeshError } from '../../core/errors.ts';
import { OpenWatches } from '../open-watches.ts';
import type { RawDocument, Registry, Sink, Watch } from '../registry.ts';
import { FileWatch, type FileWatchOptions, fileWatchDefaults } from './file-watch.ts';

/** How a file registry is made. */
export interface FileRegistryOptions extends Partial<FileWatchOptions> {
  /** Files and folders, relative to the working directory. At least one. */
  readonly paths: readonly string[];
  readonly clock: Clock;
}

/** A registry over files. */
export class FileRegistry implements Registry {
  readonly name: string;
  private readonly paths: readonly string[];
  private readonly clock: Clock;
  private readonly options: FileWatchOptions;
  private readonly watches = new OpenWatches();

  /** @throws MeshError `INMESH_OPTION` without a path. */
  constructor({ paths, clock, ...options }: FileRegistryOptions) {
    if (paths.length === 0 || paths.includes('')) {
      throw new MeshError('INMESH_OPTION', 'option registry is file: without a path; allowed: file:./mesh.yaml');
    }
    this.name = `file:${paths.join(',')}`;
    this.paths = paths;
    this.clock = clock;
    this.options = { ...fileWatchDefaults, ...options };
  }

  watchDocuments(sink: Sink<readonly RawDocument[]>): Watch {
    const watch = new FileWatch(this.paths, sink, this.clock, this.options);
    return this.watches.keep(watch);
  }

  async close(): Promise<void> {
    this.watches.close();
  }
}
