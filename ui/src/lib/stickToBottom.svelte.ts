// Staying at the end of something that grows, as long as the user is there.

/** So near to the end, in pixels, counts as being there. */
const NEAR_END_PX = 32;

/** Attach `container` to what scrolls; its first child is what grows. */
export class StickToBottom {
  /** Whether the end is in sight. */
  atEnd = $state(true);
  /** Whether the end is what the user wants to see at all. */
  enabled = true;
  #node: HTMLElement | undefined;
  #top = 0;

  readonly container = (node: HTMLElement): (() => void) => {
    this.#node = node;
    // Only going back leaves the end: what grows under a window that stays where it is does not, unless it is held there.
    const look = () => {
      const isNear = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR_END_PX;
      if (isNear || node.scrollTop < this.#top || hasFocusedForm(node)) this.atEnd = isNear;
      this.#top = node.scrollTop;
    };
    const growth = new ResizeObserver(() => {
      if (this.atEnd && this.enabled && !hasFocusedForm(node)) this.scrollToEnd();
      else look();
    });
    node.addEventListener('scroll', look, { passive: true });
    growth.observe(node);
    if (node.firstElementChild) growth.observe(node.firstElementChild);
    this.scrollToEnd();
    return () => {
      growth.disconnect();
      node.removeEventListener('scroll', look);
    };
  };

  /** Something else than the end is to be seen. */
  release(): void {
    this.atEnd = false;
  }

  /** Goes to the end, and stays there. */
  scrollToEnd(): void {
    this.atEnd = true;
    if (!this.#node || !this.enabled) return;
    this.#node.scrollTop = this.#node.scrollHeight;
    this.#top = this.#node.scrollTop;
  }
}

/** Whether somebody writes in it: what they write in must not go out of their sight. */
function hasFocusedForm(node: HTMLElement): boolean {
  return node.querySelector('form:focus-within') !== null;
}
