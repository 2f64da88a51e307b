import { LocalityPicker } from '../balancing/locality/locality-picker.ts';
import type { Picker } from '../balancing/picker.ts';
import { SessionPicker } from '../balancing/session-picker.ts';
import type { ServiceConfig } from '../config/mesh-config.ts';
import type { MeshParts } from './mesh-parts.ts';

/** The picker of a service: by cookie where it keeps sessions, by locality where it wants that and we know where we are. */
export function pickerAt(
  { locality, session }: Pick<ServiceConfig, 'locality' | 'session'>,
  { place, random }: Pick<MeshParts, 'place' | 'random'>,
  makePicker: () => Picker,
): Picker {
  const picker =
    locality === undefined || place.locality === ''
      ? makePicker()
      : new LocalityPicker({ options: locality, place, makePicker, random });
  return session === undefined ? picker : new SessionPicker(session, picker);
}
