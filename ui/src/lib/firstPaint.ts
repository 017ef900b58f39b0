// Whether there is something to see: what the desktop waits for before it believes that a window is not blank.

/** Resolves when two frames were drawn and the page has a size. A page that is not shown is not drawn, and waits. */
export async function waitForFirstPaint(page: Pick<Window, 'requestAnimationFrame' | 'document'> = window): Promise<void> {
  const frame = () => new Promise<void>((resolve) => page.requestAnimationFrame(() => resolve()));
  const isLaidOut = () => [...page.document.body.children].some((element) => element.getBoundingClientRect().height > 0);
  do {
    await frame();
    await frame();
  } while (!isLaidOut());
}
