// The window's own keys: what each is for, what it is at first, and how it is spelled. One table for the window and the settings.
import { isComposing } from './imeKeys';

/** What a key can be for, in the order in which they are listed. */
export const commands = ['newChat', 'history', 'models', 'metrics', 'settings', 'list', 'shortcuts'] as const;
export type Command = (typeof commands)[number];

/** What is pressed together, such as `Ctrl+Shift+KeyM`: modifiers in this order, then the key's place, so that a Korean layout is the same. */
export type Chord = string;

/** What each is until somebody chooses otherwise. */
export const defaultChords: Readonly<Record<Command, Chord>> = {
  newChat: 'Ctrl+KeyN',
  history: 'Ctrl+KeyH',
  models: 'Ctrl+KeyM',
  metrics: 'Ctrl+Shift+KeyM',
  settings: 'Ctrl+Comma',
  list: 'Ctrl+KeyB',
  shortcuts: 'Ctrl+Slash',
};

/** What fields and the web view do by themselves; nobody would find it again. */
const RESERVED = ['KeyA', 'KeyC', 'KeyV', 'KeyX', 'KeyY', 'KeyZ'].map((code) => `Ctrl+${code}`);
const MODIFIERS = ['Control', 'Meta', 'Alt', 'Shift', 'AltGraph', 'CapsLock'];
const KEY_LABELS = new Map([
  ['Escape', 'Esc'], ['Comma', ','], ['Period', '.'], ['Slash', '/'], ['Backslash', '\\'], ['Semicolon', ';'], ['Quote', '\''], ['Minus', '-'], ['Equal', '='],
  ['BracketLeft', '['], ['BracketRight', ']'], ['Backquote', '`'], ['ArrowUp', '↑'], ['ArrowDown', '↓'], ['ArrowLeft', '←'], ['ArrowRight', '→'],
]);

/** What is pressed; undefined while it is modifiers alone, or belongs to an input method. */
export function chordOf(event: KeyboardEvent): Chord | undefined {
  if (isComposing(event) || MODIFIERS.includes(event.key) || event.code === '') return undefined;
  const command = event.ctrlKey || event.metaKey;
  return [command && 'Ctrl', event.altKey && 'Alt', event.shiftKey && 'Shift', event.code].filter(Boolean).join('+');
}

/** Whether a chord may be anybody's: what is typed, and what fields do by themselves, is not. */
export function isAllowed(chord: Chord): boolean {
  const isFunctionKey = /(^|\+)F\d+$/.test(chord);
  return (chord.startsWith('Ctrl+') || chord.startsWith('Alt+') || isFunctionKey) && !RESERVED.includes(chord);
}

/** `Ctrl+Shift+M`, or `⌘⇧M` on a Mac. */
export function formatChord(chord: Chord, mac = isMac()): string {
  const keys = chord.split('+').map((key) => KEY_LABELS.get(key) ?? key.replace(/^(Key|Digit)/, ''));
  if (!mac) return keys.join('+');
  const marks: Record<string, string> = { Ctrl: '⌘', Alt: '⌥', Shift: '⇧' };
  return keys.map((key) => marks[key] ?? key).join('');
}

function isMac(): boolean {
  return navigator.platform.startsWith('Mac');
}
