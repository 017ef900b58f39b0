// Key events and input methods (IME).

/** Whether a key event belongs to an IME composition, as for Korean: it must not trigger a command. */
export function isComposing(event: KeyboardEvent): boolean {
  // 229 covers WebKit, which ends the composition before it reports the key that ended it.
  return event.isComposing || event.keyCode === 229;
}

/** Whether Enter is pressed alone: the text is submitted. */
export function isSubmit(event: KeyboardEvent): boolean {
  const modified = event.shiftKey || event.altKey;
  return event.key === 'Enter' && !modified && !isComposing(event);
}
