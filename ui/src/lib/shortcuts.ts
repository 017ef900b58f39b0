// The window's shortcuts: commands, default chords and formatting. One table for the window and the settings.
import { isComposing } from './imeKeys';

/** The commands, in the order in which they are listed. */
export const commands = ['newChat', 'history', 'models', 'metrics', 'settings', 'list', 'shortcuts'] as const;
export type Command = (typeof commands)[number];

/** A key chord such as `Ctrl+Shift+KeyM`: modifiers in this order, then the key's code, so that a Korean layout is the same. */
export type Chord = string;

/** The default chord of each command. */
export const defaultChords: Readonly<Record<Command, Chord>> = {
  newChat: 'Ctrl+KeyN',
  history: 'Ctrl+KeyH',
  models: 'Ctrl+KeyM',
  metrics: 'Ctrl+Shift+KeyM',
  settings: 'Ctrl+Comma',
  list: 'Ctrl+KeyB',
  shortcuts: 'Ctrl+Slash',
};

/** Chords of text fields and the web view, which must keep their meaning. */
const RESERVED = ['KeyA', 'KeyC', 'KeyV', 'KeyX', 'KeyY', 'KeyZ'].map((code) => `Ctrl+${code}`);
const MODIFIERS = ['Control', 'Meta', 'Alt', 'Shift', 'AltGraph', 'CapsLock'];
const KEY_LABELS = new Map([
  ['Escape', 'Esc'], ['Comma', ','], ['Period', '.'], ['Slash', '/'], ['Backslash', '\\'], ['Semicolon', ';'], ['Quote', '\''], ['Minus', '-'], ['Equal', '='],
  ['BracketLeft', '['], ['BracketRight', ']'], ['Backquote', '`'], ['ArrowUp', '↑'], ['ArrowDown', '↓'], ['ArrowLeft', '←'], ['ArrowRight', '→'],
]);

/** The chord of a key event; undefined for modifiers alone or an IME composition. */
export function chordOf(event: KeyboardEvent): Chord | undefined {
  if (isComposing(event) || MODIFIERS.includes(event.key) || event.code === '') return undefined;
  const command = event.ctrlKey || event.metaKey;
  return [command && 'Ctrl', event.altKey && 'Alt', event.shiftKey && 'Shift', event.code].filter(Boolean).join('+');
}

/** Whether a chord may be assigned: no typing keys, no reserved chords. */
export function isAllowed(chord: Chord): boolean {
  const isFunctionKey = /(^|\+)F\d+$/.test(chord);
  return (chord.startsWith('Ctrl+') || chord.startsWith('Alt+') || isFunctionKey) && !RESERVED.includes(chord);
}

/** `Ctrl+Shift+M`, or `⌘⇧M` on macOS. */
export function formatChord(chord: Chord, mac = isMac()): string {
  const keys = chord.split('+').map((key) => KEY_LABELS.get(key) ?? key.replace(/^(Key|Digit)/, ''));
  if (!mac) return keys.join('+');
  const marks: Record<string, string> = { Ctrl: '⌘', Alt: '⌥', Shift: '⇧' };
  return keys.map((key) => marks[key] ?? key).join('');
}

function isMac(): boolean {
  return navigator.platform.startsWith('Mac');
}
