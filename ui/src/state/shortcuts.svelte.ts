// Which keys do what: the usual ones, and those that somebody chose instead.
import { chordOf, commands, isFree, usual, type Chord, type Command } from '../lib/shortcuts';

const KEPT = 'hapa.shortcuts';

/** What came of choosing keys: `used` by another command, or `reserved` for what fields do. */
export type Choosing = { state: 'chosen' } | { state: 'used'; by: Command } | { state: 'reserved' };

/** The keys of every command, kept in `storage` where they are not the usual ones. */
export class Shortcuts {
  readonly #storage: Storage;
  #chosen = $state.raw<Readonly<Partial<Record<Command, Chord>>>>({});

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#chosen = chordsIn(storage.getItem(KEPT));
  }

  /** The keys of a command. */
  of(command: Command): Chord {
    return this.#chosen[command] ?? usual[command];
  }

  /** Whether somebody chose other keys than the usual ones for a command. */
  isChosen(command: Command): boolean {
    return this.#chosen[command] !== undefined;
  }

  /** What is asked for by what is pressed. */
  commandOf(event: KeyboardEvent): Command | undefined {
    const chord = chordOf(event);
    return chord === undefined ? undefined : commands.find((command) => this.of(command) === chord);
  }

  /** Chooses keys for a command, unless they are somebody else's. */
  choose(command: Command, chord: Chord): Choosing {
    if (!isFree(chord)) return { state: 'reserved' };
    const by = commands.find((other) => other !== command && this.of(other) === chord);
    if (by) return { state: 'used', by };
    this.#keep({ ...this.#chosen, [command]: chord === usual[command] ? undefined : chord });
    return { state: 'chosen' };
  }

  /** Takes the usual keys again: of one command where nobody else has them now, or of all. */
  reset(command?: Command): Choosing {
    if (command) return this.choose(command, usual[command]);
    this.#keep({});
    return { state: 'chosen' };
  }

  #keep(chosen: Partial<Record<Command, Chord | undefined>>): void {
    const entries = Object.entries(chosen).filter(([, chord]) => chord !== undefined);
    this.#chosen = Object.fromEntries(entries) as Partial<Record<Command, Chord>>;
    this.#storage.setItem(KEPT, JSON.stringify(this.#chosen));
  }
}

/** The chords of a JSON object by their commands; none where it is something else. */
function chordsIn(json: string | null): Partial<Record<Command, Chord>> {
  try {
    const kept = JSON.parse(json ?? '{}') as Partial<Record<string, unknown>> | null;
    const entries = commands.map((command) => [command, kept?.[command]] as const);
    return Object.fromEntries(entries.filter(([, chord]) => typeof chord === 'string' && isFree(chord)));
  } catch {
    return {};
  }
}
