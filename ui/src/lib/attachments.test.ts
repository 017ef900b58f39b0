import { expect, test } from 'vitest';

import { uniqueName, merge, MAX_FILES, MAX_CHARACTERS, readAttachment, decodeText } from './attachments';

const file = (path: string, content = 'x = 1') => ({ path, content });

test('a file replaces the one with the same name', () => {
  const { files, rejected } = merge([file('a.py', 'old'), file('b.py')], [file('a.py', 'new'), file('c.py')]);
  expect(files.map(({ path, content }) => [path, content])).toEqual([['a.py', 'new'], ['b.py', 'x = 1'], ['c.py', 'x = 1']]);
  expect(rejected).toEqual([]);
});

test('what does not fit stays behind, and what does is taken', () => {
  const large = file('large.py', 'x'.repeat(MAX_CHARACTERS - 3));
  expect(merge([large], [file('a.py', 'four'), file('b.py', 'one'), file('none.py', ' \n')])).toEqual({
    files: [large, file('b.py', 'one')],
    rejected: [{ name: 'a.py', reason: 'large' }, { name: 'none.py', reason: 'empty' }],
  });
  const many = Array.from({ length: MAX_FILES + 1 }, (_, index) => file(`${index}.py`));
  expect(merge([], many).rejected).toEqual([{ name: `${MAX_FILES}.py`, reason: 'many' }]);
});

test('text is read as Unicode, or as Korean Windows wrote it, and nothing else is text', async () => {
  const bytes = (...numbers: number[]) => new Uint8Array(numbers);
  expect(decodeText(new TextEncoder().encode('가나\r\n다'))).toBe('가나\n다');
  expect(decodeText(bytes(0xb0, 0xa1, 0x0a))).toBe('가\n');
  expect(decodeText(bytes(0xff, 0xfe, 0x00, 0xac))).toBe('가');
  expect(decodeText(bytes(0x7f, 0x45, 0x4c, 0x46, 0x02, 0x01, 0x00)), 'a program').toBeUndefined();
  expect(decodeText(bytes(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)), 'a picture').toBeUndefined();
  expect(await readAttachment(new File(['print(1)'], 'a.py'))).toEqual({ path: 'a.py', content: 'print(1)' });
  expect(await readAttachment(new File([bytes(0)], 'a.bin'))).toEqual({ name: 'a.bin', reason: 'binary' });
  expect(await readAttachment(new File(['x'.repeat(MAX_CHARACTERS * 4 + 1)], 'a.log'))).toEqual({ name: 'a.log', reason: 'large' });
});

test('a duplicate name gets a number before its extension', () => {
  expect(uniqueName([], 'part.py')).toBe('part.py');
  expect(uniqueName([file('part.py'), file('part 2.py')], 'part.py')).toBe('part 3.py');
  expect(uniqueName([file('.env')], '.env')).toBe('.env 2');
});
