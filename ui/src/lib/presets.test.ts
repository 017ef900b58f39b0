import { expect, test } from 'vitest';

import { matchingPresets, parseSlashCommand, presets, slashWord } from './presets';

test('a word after a slash at the start is completed, in either language', () => {
  expect(matchingPresets('/')).toEqual(presets);
  expect(matchingPresets('/f')).toEqual(['bug_fix']);
  expect(matchingPresets('/수')).toEqual(['bug_fix']);
  expect(matchingPresets('/T')).toEqual(['unit_test_generation']);
  for (const text of ['', 'fix', ' /fix', '/fix it', '/usr', 'a\n/fix']) expect(matchingPresets(text), text).toEqual([]);
});

test('a complete slash command selects a preset and is removed from the question', () => {
  expect(parseSlashCommand('/fix this loop')).toEqual({ preset: 'bug_fix', rest: 'this loop' });
  expect(parseSlashCommand('/수정\n이 반복문')).toEqual({ preset: 'bug_fix', rest: '이 반복문' });
  expect(parseSlashCommand('/optimize')).toEqual({ preset: 'code_optimization', rest: '' });
  for (const text of ['/etc/hosts 파일을 읽어줘', 'fix', '// a comment', '/']) expect(parseSlashCommand(text), text).toBeUndefined();
});

test('every preset can be chosen by the word that is shown for it', () => {
  for (const preset of presets) {
    for (const language of ['ko', 'en'] as const) expect(parseSlashCommand(slashWord(preset, language))?.preset).toBe(preset);
  }
});
