// Staying at the end of something that grows, as long as the user is there.

/** So near to the end, in pixels, counts as being there. */
const NEAR = 32;

/** Attach `container` to what scrolls; its first child is what grows. */
export class Follower {
  /** Whether the end is in sight. */
  atEnd = $state(true);
  /** Whether the end is what the user wants to see at all. */
  following = true;
  #node: HTMLElement | undefined;

  readonly container = (node: HTMLElement): (() => void) => {
    this.#node = node;
    const look = () => (this.atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR);
    const growth = new ResizeObserver(() => {
      if (this.atEnd && this.following) this.toEnd();
      else look();
    });
    node.addEventListener('scroll', look, { passive: true });
    growth.observe(node);
    if (node.firstElementChild) growth.observe(node.firstElementChild);
    this.toEnd();
    return () => {
      growth.disconnect();
      node.removeEventListener('scroll', look);
    };
  };

  /** Goes to a part of what grows, shows for a moment which it is, and stays there. */
  to(part: Element | undefined): void {
    if (!part) return;
    this.atEnd = false;
    part.scrollIntoView({ block: 'start' });
    part.classList.add('sought');
    part.addEventListener('animationend', () => part.classList.remove('sought'), { once: true });
  }

  /** Goes to the end, and stays there. */
  toEnd(): void {
    this.atEnd = true;
    if (this.#node && this.following) this.#node.scrollTop = this.#node.scrollHeight;
  }
}
