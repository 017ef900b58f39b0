import { expect, test, vi } from 'vitest';

import { waitForFirstPaint } from './firstPaint';

test('a page is painted after two frames, and not before it has a size', async () => {
  const frames: FrameRequestCallback[] = [];
  const child = { getBoundingClientRect: vi.fn().mockReturnValueOnce({ height: 0 }).mockReturnValue({ height: 600 }) };
  const page = { requestAnimationFrame: (callback: FrameRequestCallback) => frames.push(callback), document: { body: { children: [child] } } };
  const done = vi.fn();
  void waitForFirstPaint(page as unknown as Window).then(done);
  for (let drawn = 0; drawn < 4; drawn += 1) {
    await vi.waitFor(() => expect(frames).toHaveLength(drawn + 1));
    expect(done).not.toHaveBeenCalled();
    frames[drawn]?.(0);
  }
  await vi.waitFor(() => expect(done).toHaveBeenCalled());
});
