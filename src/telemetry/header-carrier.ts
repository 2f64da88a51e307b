/** How does OpenTelemetry read and write a {@link HeaderList}? Through these two, as carriers of its propagators. */
import type { TextMapGetter, TextMapSetter } from '@opentelemetry/api';
import type { HeaderList } from '../core/call.ts';
import { findHeader } from '../http/header-list.ts';

/** Reads a list. */
export const headerListGetter: TextMapGetter<HeaderList> = {
  keys: (list) => list.filter((_, index) => index % 2 === 0),
  get: (list, name) => findHeader(list, name.toLowerCase()),
};

/** Appends to a list. */
export const headerListSetter: TextMapSetter<string[]> = {
  set(list, name, value) {
    list.push(name.toLowerCase(), value);
  },
};
