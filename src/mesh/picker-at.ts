import type { LocalityOptions } from '../balancing/locality/locality-options.ts';
import { LocalityPicker } from '../balancing/locality/locality-picker.ts';
import type { Picker } from '../balancing/picker.ts';
import type { MeshParts } from './mesh-parts.ts';

/** A picker that goes by localities, where a service wants that and we know where we are; else a plain one. */
export function pickerAt(
  options: LocalityOptions | undefined,
  { place, random }: Pick<MeshParts, 'place' | 'random'>,
  makePicker: () => Picker,
): Picker {
  return options === undefined || place.locality === ''
    ? makePicker()
    : new LocalityPicker({ options, place, makePicker, random });
}
