// The assigned shortcuts: defaults and custom chords.
import { chordOf, commands, isAllowed, defaultChords, type Chord, type Command } from '../lib/shortcuts';

const STORAGE_KEY = 'hapa.shortcuts';

/** The result of an assignment: `in-use` by another command, or `reserved` for text fields. */
export type AssignResult = { state: 'assigned' } | { state: 'in-use'; by: Command } | { state: 'reserved' };

/** The chord of every command; custom ones are in `storage`. */
export class Shortcuts {
  readonly #storage: Storage;
  #custom = $state.raw<Readonly<Partial<Record<Command, Chord>>>>({});

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#custom = parseChords(storage.getItem(STORAGE_KEY));
  }

  /** The chord of a command. */
  get(command: Command): Chord {
    return this.#custom[command] ?? defaultChords[command];
  }

  /** Whether a command has a custom chord. */
  isCustom(command: Command): boolean {
    return this.#custom[command] !== undefined;
  }

  /** The command of a key event. */
  commandOf(event: KeyboardEvent): Command | undefined {
    const chord = chordOf(event);
    return chord === undefined ? undefined : commands.find((command) => this.get(command) === chord);
  }

  /** Assigns a chord to a command, unless another command has it. */
  assign(command: Command, chord: Chord): AssignResult {
    if (!isAllowed(chord)) return { state: 'reserved' };
    const by = commands.find((other) => other !== command && this.get(other) === chord);
    if (by) return { state: 'in-use', by };
    this.#store({ ...this.#custom, [command]: chord === defaultChords[command] ? undefined : chord });
    return { state: 'assigned' };
  }

  /** Resets one command to its default if that is free, or all of them. */
  reset(command?: Command): AssignResult {
    if (command) return this.assign(command, defaultChords[command]);
    this.#store({});
    return { state: 'assigned' };
  }

  #store(custom: Partial<Record<Command, Chord | undefined>>): void {
    const entries = Object.entries(custom).filter(([, chord]) => chord !== undefined);
    this.#custom = Object.fromEntries(entries) as Partial<Record<Command, Chord>>;
    this.#storage.setItem(STORAGE_KEY, JSON.stringify(this.#custom));
  }
}

/** Parses the custom chords; none if the JSON is something else. */
function parseChords(json: string | null): Partial<Record<Command, Chord>> {
  try {
    const stored = JSON.parse(json ?? '{}') as Partial<Record<string, unknown>> | null;
    const entries = commands.map((command) => [command, stored?.[command]] as const);
    return Object.fromEntries(entries.filter(([, chord]) => typeof chord === 'string' && isAllowed(chord)));
  } catch {
    return {};
  }
}
