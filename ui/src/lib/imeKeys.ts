// What keys mean.

/** Whether a key press belongs to an input method that is composing a character, as for Korean: it is no command then. */
export function isComposing(event: KeyboardEvent): boolean {
  // 229 covers WebKit, which ends the composition before it tells of the key that ended it.
  return event.isComposing || event.keyCode === 229;
}

/** Enter alone: the text is meant to go out. */
export function isSubmit(event: KeyboardEvent): boolean {
  const modified = event.shiftKey || event.altKey;
  return event.key === 'Enter' && !modified && !isComposing(event);
}
