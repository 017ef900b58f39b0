// Keeps a scroll container at its end while content grows, until the user scrolls up.

/** Distance from the end that counts as being there, in pixels. */
const NEAR_END_PX = 32;

/** Attach `container` to the scroll container; its first child is what grows. */
export class StickToBottom {
  /** Whether the end is in view. */
  atEnd = $state(true);
  /** Whether to stick to the end at all. */
  enabled = true;
  #node: HTMLElement | undefined;
  #top = 0;

  readonly container = (node: HTMLElement): (() => void) => {
    this.#node = node;
    // Only scrolling up leaves the end; content that grows does not, unless a focused form holds the position.
    const update = () => {
      const isNear = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR_END_PX;
      if (isNear || node.scrollTop < this.#top || hasFocusedForm(node)) this.atEnd = isNear;
      this.#top = node.scrollTop;
    };
    const observer = new ResizeObserver(() => {
      if (this.atEnd && this.enabled && !hasFocusedForm(node)) this.scrollToEnd();
      else update();
    });
    node.addEventListener('scroll', update, { passive: true });
    observer.observe(node);
    if (node.firstElementChild) observer.observe(node.firstElementChild);
    this.scrollToEnd();
    return () => {
      observer.disconnect();
      node.removeEventListener('scroll', update);
    };
  };

  /** Stops sticking: another position is to be shown. */
  release(): void {
    this.atEnd = false;
  }

  /** Scrolls to the end and sticks to it. */
  scrollToEnd(): void {
    this.atEnd = true;
    if (!this.#node || !this.enabled) return;
    this.#node.scrollTop = this.#node.scrollHeight;
    this.#top = this.#node.scrollTop;
  }
}

/** Whether a form inside has the focus: it must not scroll out of view. */
function hasFocusedForm(node: HTMLElement): boolean {
  return node.querySelector('form:focus-within') !== null;
}
