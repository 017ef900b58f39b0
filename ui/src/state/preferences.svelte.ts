// What the user chose about the window: language, theme, the language of code, the list on the left.
import { en } from '../messages/en';
import { ko, type Messages } from '../messages/ko';

export const languages = ['system', 'ko', 'en'] as const;
export const themes = ['system', 'light', 'dark'] as const;
/** Programming languages that code can be asked for in, as the API names them. */
export const codeLanguages = ['python', 'javascript', 'typescript', 'java', 'go', 'rust', 'c', 'cpp', 'sql', 'bash'] as const;

export type LanguagePreference = (typeof languages)[number];
export type ThemePreference = (typeof themes)[number];
export type CodeLanguage = (typeof codeLanguages)[number];

const NAMES = new Map([['cpp', 'C++'], ['sql', 'SQL'], ['javascript', 'JavaScript'], ['typescript', 'TypeScript']]);

/** What people call a programming language. */
export function languageName(language: string): string {
  return NAMES.get(language) ?? language.charAt(0).toUpperCase() + language.slice(1);
}

/** Choices, kept in `storage`. `system` follows what the browser says. */
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

  /** Reads what is kept, which another window may have changed. */
  reload(): void {
    this.#language = this.#stored('language', languages, 'system');
    this.#theme = this.#stored('theme', themes, 'system');
    this.#codeLanguage = this.#stored('codeLanguage', codeLanguages, 'python');
    this.#listShown = this.#stored('list', ['shown', 'hidden'], 'shown') === 'shown';
  }

  /** The language that the window speaks. */
  get locale(): 'ko' | 'en' {
    if (this.#language !== 'system') return this.#language;
    return this.#systemLanguage.toLowerCase().startsWith('ko') ? 'ko' : 'en';
  }

  /** Everything that the window says. */
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

  set language(choice: LanguagePreference) {
    this.#language = choice;
    this.#store('language', choice);
  }

  get theme(): ThemePreference {
    return this.#theme;
  }

  set theme(choice: ThemePreference) {
    this.#theme = choice;
    this.#store('theme', choice);
  }

  get codeLanguage(): CodeLanguage {
    return this.#codeLanguage;
  }

  set codeLanguage(choice: CodeLanguage) {
    this.#codeLanguage = choice;
    this.#store('codeLanguage', choice);
  }

  /** Whether the list of conversations is shown. */
  get listShown(): boolean {
    return this.#listShown;
  }

  set listShown(shown: boolean) {
    this.#listShown = shown;
    this.#store('list', shown ? 'shown' : 'hidden');
  }

  #stored<T extends string>(name: string, choices: readonly T[], otherwise: T): T {
    const kept = this.#storage.getItem(`hapa.${name}`);
    return choices.find((choice) => choice === kept) ?? otherwise;
  }

  #store(name: string, choice: string): void {
    this.#storage.setItem(`hapa.${name}`, choice);
  }
}
