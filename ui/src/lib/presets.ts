// What a question can ask for, and the words that say so at its start: `/fix`, `/수정`.
import type { components } from '../api/schema';

/** A kind of task, as the API names it. */
export type Preset = components['schemas']['ModelType'];

/** Those that are offered, the usual one first. */
export const presets = [
  'code_generation',
  'code_explanation',
  'bug_fix',
  'code_review',
  'unit_test_generation',
  'documentation',
  'code_optimization',
] as const satisfies readonly Preset[];

export type OfferedPreset = (typeof presets)[number];

/** New code for a question: the only one that needs no code to begin with. */
export const DEFAULT_PRESET: Preset = 'code_generation';

/** Words that choose a preset, Korean and English; the first of each language is the one that is shown. */
const words: Record<OfferedPreset, Record<'ko' | 'en', readonly string[]>> = {
  code_generation: { ko: ['작성'], en: ['write'] },
  code_explanation: { ko: ['설명'], en: ['explain'] },
  bug_fix: { ko: ['수정', '고치기'], en: ['fix'] },
  code_review: { ko: ['검토', '리뷰'], en: ['review'] },
  unit_test_generation: { ko: ['테스트'], en: ['tests', 'test'] },
  documentation: { ko: ['문서'], en: ['docs', 'doc'] },
  code_optimization: { ko: ['최적화'], en: ['optimise', 'optimize'] },
};

/** Whether `preset` is one of those that are offered. */
export function isOffered(preset: string): preset is OfferedPreset {
  return (presets as readonly string[]).includes(preset);
}

/** The word that chooses `preset`, with its slash. */
export function slashWord(preset: OfferedPreset, language: 'ko' | 'en'): string {
  return `/${words[preset][language][0]}`;
}

/** The presets that a word which is being written at the start of `text` may become; none where there is no such word. */
export function matchingPresets(text: string): OfferedPreset[] {
  const word = /^\/(\S*)$/.exec(text)?.[1]?.toLowerCase();
  if (word === undefined) return [];
  return presets.filter((preset) => allWords(preset).some((one) => one.startsWith(word)));
}

/** The preset that the first word of `text` chooses, and what is left without it. */
export function parseSlashCommand(text: string): { preset: OfferedPreset; rest: string } | undefined {
  const [, word, rest] = /^\s*\/(\S+)(?:\s([^]*))?$/.exec(text) ?? [];
  const preset = word === undefined ? undefined : presets.find((preset) => allWords(preset).includes(word.toLowerCase()));
  return preset && { preset, rest: rest ?? '' };
}

function allWords(preset: OfferedPreset): string[] {
  return [...words[preset].ko, ...words[preset].en];
}
