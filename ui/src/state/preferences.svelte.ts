// User preferences of the window: language, theme, code language, conversation list.
import { en } from '../messages/en';
import { ko, type Messages } from '../messages/ko';

export const languages = ['system', 'ko', 'en'] as const;
export const themes = ['system', 'light', 'dark'] as const;
/** Programming languages for generated code, as the API names them. */
export const codeLanguages = ['python', 'javascript', 'typescript', 'java', 'go', 'rust', 'c', 'cpp', 'sql', 'bash'] as const;

export type LanguagePreference = (typeof languages)[number];
export type ThemePreference = (typeof themes)[number];
export type CodeLanguage = (typeof codeLanguages)[number];

const NAMES = new Map([['cpp', 'C++'], ['sql', 'SQL'], ['javascript', 'JavaScript'], ['typescript', 'TypeScript']]);

/** The display name of a programming language. */
export function languageName(language: string): string {
  return NAMES.get(language) ?? language.charAt(0).toUpperCase() + language.slice(1);
}

/** Preferences in `storage`. `system` follows the browser. */
export class Preferences {
  readonly #storage: Storage;
  #systemLanguage = $state('');
  #language = $state<LanguagePreference>('system');
  #theme = $state<ThemePreference>('system');
  #codeLanguage = $state<CodeLanguage>('python');
  #listShown = $state(true);

  constructor(storage: Storage, systemLanguage: string) {
    this.#storage = storage;
    this.#systemLanguage = systemLanguage;
    this.reload();
  }

  /** Reloads the preferences, which another window may have changed. */
  reload(): void {
    this.#language = this.#stored('language', languages, 'system');
    this.#theme = this.#stored('theme', themes, 'system');
    this.#codeLanguage = this.#stored('codeLanguage', codeLanguages, 'python');
    this.#listShown = this.#stored('list', ['shown', 'hidden'], 'shown') === 'shown';
  }

  /** The language of the window. */
  get locale(): 'ko' | 'en' {
    if (this.#language !== 'system') return this.#language;
    return this.#systemLanguage.toLowerCase().startsWith('ko') ? 'ko' : 'en';
  }

  /** All texts of the window. */
  get messages(): Messages {
    return this.locale === 'ko' ? ko : en;
  }

  /** The system's language has changed. */
  setSystemLanguage(language: string): void {
    this.#systemLanguage = language;
  }

  get language(): LanguagePreference {
    return this.#language;
  }

  set language(value: LanguagePreference) {
    this.#language = value;
    this.#store('language', value);
  }

  get theme(): ThemePreference {
    return this.#theme;
  }

  set theme(value: ThemePreference) {
    this.#theme = value;
    this.#store('theme', value);
  }

  get codeLanguage(): CodeLanguage {
    return this.#codeLanguage;
  }

  set codeLanguage(value: CodeLanguage) {
    this.#codeLanguage = value;
    this.#store('codeLanguage', value);
  }

  /** Whether the conversation list is shown. */
  get listShown(): boolean {
    return this.#listShown;
  }

  set listShown(shown: boolean) {
    this.#listShown = shown;
    this.#store('list', shown ? 'shown' : 'hidden');
  }

  #stored<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const stored = this.#storage.getItem(`hapa.${name}`);
    return values.find((value) => value === stored) ?? fallback;
  }

  #store(name: string, value: string): void {
    this.#storage.setItem(`hapa.${name}`, value);
  }
}
