import { expect, test, vi } from 'vitest';

import { PersistedStorage } from './persistedStorage';

test('what is set is read at once, and goes out at once, whatever is still on its way', () => {
  const kept: [string, string | null][] = [];
  const storage = new PersistedStorage({ theme: 'dark' }, (name, value) => {
    kept.push([name, value]);
    return new Promise(() => undefined);
  });
  expect(storage.getItem('theme')).toBe('dark');
  for (const text of ['가', '가나']) storage.setItem('draft', text);
  storage.removeItem('theme');
  expect(kept).toEqual([['draft', '가'], ['draft', '가나'], ['theme', null]]);
  expect([storage.length, storage.key(0), storage.getItem('theme')]).toEqual([1, 'draft', null]);
});

test('a value that could not be written is sent with the next change', async () => {
  const keep = vi.fn<(name: string, value: string | null) => Promise<void>>().mockRejectedValueOnce(new Error('full')).mockResolvedValue();
  const storage = new PersistedStorage({}, keep);
  storage.setItem('draft', 'a');
  await vi.waitFor(() => expect(keep).toHaveBeenCalledTimes(1));
  storage.setItem('draft', 'ab');
  await vi.waitFor(() => expect(keep).toHaveBeenLastCalledWith('draft', 'ab'));
  storage.setItem('draft', 'ab');
  expect(keep).toHaveBeenCalledTimes(2);
});

test('a value set by another window is applied, and a storage event is dispatched', () => {
  const keep = vi.fn(() => Promise.resolve());
  const storage = new PersistedStorage({ theme: 'dark' }, keep);
  const heard = vi.fn();
  window.addEventListener('storage', heard, { once: true });
  storage.applyExternal('theme', 'light');
  expect(storage.getItem('theme')).toBe('light');
  expect(heard).toHaveBeenCalledTimes(1);
  expect(keep).not.toHaveBeenCalled();
});
