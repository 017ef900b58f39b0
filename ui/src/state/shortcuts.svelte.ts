// Which keys do what: the usual ones, and those that somebody chose instead.
import { chordOf, commands, isAllowed, defaultChords, type Chord, type Command } from '../lib/shortcuts';

const STORAGE_KEY = 'hapa.shortcuts';

/** What came of choosing keys: `used` by another command, or `reserved` for what fields do. */
export type AssignResult = { state: 'chosen' } | { state: 'used'; by: Command } | { state: 'reserved' };

/** The keys of every command, kept in `storage` where they are not the usual ones. */
export class Shortcuts {
  readonly #storage: Storage;
  #custom = $state.raw<Readonly<Partial<Record<Command, Chord>>>>({});

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#custom = parseChords(storage.getItem(STORAGE_KEY));
  }

  /** The keys of a command. */
  get(command: Command): Chord {
    return this.#custom[command] ?? defaultChords[command];
  }

  /** Whether somebody chose other keys than the usual ones for a command. */
  isCustom(command: Command): boolean {
    return this.#custom[command] !== undefined;
  }

  /** What is asked for by what is pressed. */
  commandOf(event: KeyboardEvent): Command | undefined {
    const chord = chordOf(event);
    return chord === undefined ? undefined : commands.find((command) => this.get(command) === chord);
  }

  /** Chooses keys for a command, unless they are somebody else's. */
  assign(command: Command, chord: Chord): AssignResult {
    if (!isAllowed(chord)) return { state: 'reserved' };
    const by = commands.find((other) => other !== command && this.get(other) === chord);
    if (by) return { state: 'used', by };
    this.#store({ ...this.#custom, [command]: chord === defaultChords[command] ? undefined : chord });
    return { state: 'chosen' };
  }

  /** Takes the usual keys again: of one command where nobody else has them now, or of all. */
  reset(command?: Command): AssignResult {
    if (command) return this.assign(command, defaultChords[command]);
    this.#store({});
    return { state: 'chosen' };
  }

  #store(chosen: Partial<Record<Command, Chord | undefined>>): void {
    const entries = Object.entries(chosen).filter(([, chord]) => chord !== undefined);
    this.#custom = Object.fromEntries(entries) as Partial<Record<Command, Chord>>;
    this.#storage.setItem(STORAGE_KEY, JSON.stringify(this.#custom));
  }
}

/** The chords of a JSON object by their commands; none where it is something else. */
function parseChords(json: string | null): Partial<Record<Command, Chord>> {
  try {
    const kept = JSON.parse(json ?? '{}') as Partial<Record<string, unknown>> | null;
    const entries = commands.map((command) => [command, kept?.[command]] as const);
    return Object.fromEntries(entries.filter(([, chord]) => typeof chord === 'string' && isAllowed(chord)));
  } catch {
    return {};
  }
}
