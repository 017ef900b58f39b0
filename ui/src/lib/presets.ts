// Presets (task types) and their slash commands, such as `/fix` or `/수정`.
import type { components } from '../api/schema';

/** A task type, as the API names it. */
export type Preset = components['schemas']['ModelType'];

/** The presets on offer, the default first. */
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

/** Code generation, the only preset that needs no code in the question. */
export const DEFAULT_PRESET: Preset = 'code_generation';

/** Slash words of each preset, Korean and English; the first of each language is displayed. */
const slashWords: Record<OfferedPreset, Record<'ko' | 'en', readonly string[]>> = {
  code_generation: { ko: ['작성'], en: ['write'] },
  code_explanation: { ko: ['설명'], en: ['explain'] },
  bug_fix: { ko: ['수정', '고치기'], en: ['fix'] },
  code_review: { ko: ['검토', '리뷰'], en: ['review'] },
  unit_test_generation: { ko: ['테스트'], en: ['tests', 'test'] },
  documentation: { ko: ['문서'], en: ['docs', 'doc'] },
  code_optimization: { ko: ['최적화'], en: ['optimise', 'optimize'] },
};

/** Whether `preset` is on offer. */
export function isOffered(preset: string): preset is OfferedPreset {
  return (presets as readonly string[]).includes(preset);
}

/** The slash command of `preset`. */
export function slashWord(preset: OfferedPreset, language: 'ko' | 'en'): string {
  return `/${slashWords[preset][language][0]}`;
}

/** The presets whose slash word starts with the one typed in `text`; none without one. */
export function matchingPresets(text: string): OfferedPreset[] {
  const word = /^\/(\S*)$/.exec(text)?.[1]?.toLowerCase();
  if (word === undefined) return [];
  return presets.filter((preset) => allSlashWords(preset).some((candidate) => candidate.startsWith(word)));
}

/** The preset of the slash command at the start of `text`, and the rest of the text. */
export function parseSlashCommand(text: string): { preset: OfferedPreset; rest: string } | undefined {
  const [, word, rest] = /^\s*\/(\S+)(?:\s([^]*))?$/.exec(text) ?? [];
  const preset = word === undefined ? undefined : presets.find((preset) => allSlashWords(preset).includes(word.toLowerCase()));
  return preset && { preset, rest: rest ?? '' };
}

function allSlashWords(preset: OfferedPreset): string[] {
  return [...slashWords[preset].ko, ...slashWords[preset].en];
}
