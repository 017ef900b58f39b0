import { expect, test } from 'vitest';

import { freeName, joined, MOST, MOST_CHARACTERS, read, textOf } from './files';

const file = (path: string, content = 'x = 1') => ({ path, content });

test('a file takes the place of the one that has its name', () => {
  const { files, refused } = joined([file('a.py', 'old'), file('b.py')], [file('a.py', 'new'), file('c.py')]);
  expect(files.map(({ path, content }) => [path, content])).toEqual([['a.py', 'new'], ['b.py', 'x = 1'], ['c.py', 'x = 1']]);
  expect(refused).toEqual([]);
});

test('what does not fit stays behind, and what does is taken', () => {
  const large = file('large.py', 'x'.repeat(MOST_CHARACTERS - 3));
  expect(joined([large], [file('a.py', 'four'), file('b.py', 'one'), file('none.py', ' \n')])).toEqual({
    files: [large, file('b.py', 'one')],
    refused: [{ name: 'a.py', reason: 'large' }, { name: 'none.py', reason: 'empty' }],
  });
  const many = Array.from({ length: MOST + 1 }, (_, index) => file(`${index}.py`));
  expect(joined([], many).refused).toEqual([{ name: `${MOST}.py`, reason: 'many' }]);
});

test('text is read as Unicode, or as Korean Windows wrote it, and nothing else is text', async () => {
  const bytes = (...numbers: number[]) => new Uint8Array(numbers);
  expect(textOf(new TextEncoder().encode('가나\r\n다'))).toBe('가나\n다');
  expect(textOf(bytes(0xb0, 0xa1, 0x0a))).toBe('가\n');
  expect(textOf(bytes(0xff, 0xfe, 0x00, 0xac))).toBe('가');
  expect(textOf(bytes(0x7f, 0x45, 0x4c, 0x46, 0x02, 0x01, 0x00)), 'a program').toBeUndefined();
  expect(textOf(bytes(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)), 'a picture').toBeUndefined();
  expect(await read(new File(['print(1)'], 'a.py'))).toEqual({ path: 'a.py', content: 'print(1)' });
  expect(await read(new File([bytes(0)], 'a.bin'))).toEqual({ name: 'a.bin', reason: 'binary' });
  expect(await read(new File(['x'.repeat(MOST_CHARACTERS * 4 + 1)], 'a.log'))).toEqual({ name: 'a.log', reason: 'large' });
});

test('a name that is taken gets a number before its ending', () => {
  expect(freeName([], 'part.py')).toBe('part.py');
  expect(freeName([file('part.py'), file('part 2.py')], 'part.py')).toBe('part 3.py');
  expect(freeName([file('.env')], '.env')).toBe('.env 2');
});
