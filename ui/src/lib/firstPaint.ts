// First paint detection: the desktop app waits for it before it treats a window as blank.

/** Resolves when two frames were painted and the page has a size. A hidden page is not painted, and waits. */
export async function waitForFirstPaint(page: Pick<Window, 'requestAnimationFrame' | 'document'> = window): Promise<void> {
  const nextFrame = () => new Promise<void>((resolve) => page.requestAnimationFrame(() => resolve()));
  const hasLayout = () => [...page.document.body.children].some((element) => element.getBoundingClientRect().height > 0);
  do {
    await nextFrame();
    await nextFrame();
  } while (!hasLayout());
}
