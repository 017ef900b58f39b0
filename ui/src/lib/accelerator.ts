// Accelerators of global shortcuts in Tauri's format, such as `Ctrl+Shift+Space`.

/** Keys that cannot trigger a shortcut by themselves. */
const NON_TRIGGER_KEYS = ['Control', 'Shift', 'Alt', 'Meta', 'AltGraph', 'Process', 'Unidentified', 'Dead', 'HangulMode', 'Hangul'];

/** The accelerator of a key event; undefined for modifiers alone, or for a key without one that would block typing. */
export function acceleratorOf(event: KeyboardEvent): string | undefined {
  if (NON_TRIGGER_KEYS.includes(event.key) || event.code === '') return undefined;
  const isFunctionKey = /^F\d{1,2}$/.test(event.code);
  if (!event.ctrlKey && !event.altKey && !event.metaKey && !isFunctionKey) return undefined;
  const modifiers = [event.ctrlKey && 'Ctrl', event.altKey && 'Alt', event.shiftKey && 'Shift', event.metaKey && 'Super'];
  return [...modifiers.filter((name) => name !== false), event.code.replace(/^(Key|Digit)/, '')].join('+');
}
