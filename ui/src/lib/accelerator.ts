// Keys that open something from anywhere, as the desktop names them: `Ctrl+Shift+Space`.

/** Keys that are held while another is pressed. */
const NON_TRIGGER_KEYS = ['Control', 'Shift', 'Alt', 'Meta', 'AltGraph', 'Process', 'Unidentified', 'Dead', 'HangulMode', 'Hangul'];

/** What somebody presses, or `undefined` while keys are only held, or held keys that would get in the way of typing. */
export function acceleratorOf(event: KeyboardEvent): string | undefined {
  if (NON_TRIGGER_KEYS.includes(event.key) || event.code === '') return undefined;
  const isFunction = /^F\d{1,2}$/.test(event.code);
  if (!event.ctrlKey && !event.altKey && !event.metaKey && !isFunction) return undefined;
  const held = [event.ctrlKey && 'Ctrl', event.altKey && 'Alt', event.shiftKey && 'Shift', event.metaKey && 'Super'];
  return [...held.filter((name) => name !== false), event.code.replace(/^(Key|Digit)/, '')].join('+');
}
