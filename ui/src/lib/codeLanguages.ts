// Code by its looks: whether text is code, in which language a file is, and what a piece of code is called as a file.

/** The ending of a file in each language that is known here, and other names of the language. */
const EXTENSIONS: readonly (readonly [ending: string, ...names: string[]])[] = [
  ['py', 'python', 'python3'],
  ['js', 'javascript', 'jsx', 'mjs'],
  ['ts', 'typescript', 'tsx'],
  ['java', 'java'],
  ['go', 'go', 'golang'],
  ['rs', 'rust'],
  ['c', 'c', 'h'],
  ['cpp', 'cpp', 'c++', 'cc', 'hpp'],
  ['cs', 'csharp', 'c#'],
  ['kt', 'kotlin'],
  ['sql', 'sql'],
  ['sh', 'bash', 'shell', 'zsh', 'console'],
  ['html', 'html'],
  ['xml', 'xml', 'svg'],
  ['css', 'css'],
  ['json', 'json'],
  ['yaml', 'yaml', 'yml'],
  ['toml', 'toml'],
  ['ini', 'ini'],
  ['diff', 'diff', 'patch'],
  ['md', 'markdown'],
  ['svelte', 'svelte'],
  ['dockerfile', 'dockerfile'],
];

/** The ending of files in `language`; `txt` for a language that is not known. */
export function extensionOf(language: string): string {
  const name = language.toLowerCase();
  return EXTENSIONS.find(([ending, ...names]) => ending === name || names.includes(name))?.[0] ?? 'txt';
}

/** The language that a file is in by its name; empty where that does not tell. */
export function languageOf(path: string): string {
  const ending = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return EXTENSIONS.find(([first, ...names]) => first === ending || names.includes(ending))?.[1] ?? '';
}

/** What a file is called that has `code`: after the first thing that it makes, else `otherwise`. */
export function suggestFileName(code: string, language: string, otherwise: string): string {
  const made = DECLARATION.exec(code)?.[1];
  return `${made ?? otherwise}.${extensionOf(language)}`;
}

/** Whether `text` is rather code than words: fenced, or most lines look as only code does. */
export function looksLikeCode(text: string): boolean {
  if (text.includes('```')) return true;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length > 1 && lines.filter((line) => CODE_LINE.test(line)).length * 2 > lines.length;
}

/** The first class, function, type or table of some code, in one of many languages. */
const DECLARATION =
  /^[ \t]*(?:(?:export|default|public|private|protected|static|abstract|final|async|pub(?:\([^)\n]*\))?|unsafe|const|data|sealed)[ \t]+)*(?:class|def|function\*?|func|fn|fun|struct|enum|interface|trait|type|record|CREATE[ \t]+(?:TABLE|VIEW|FUNCTION)(?:[ \t]+IF[ \t]+NOT[ \t]+EXISTS)?)[ \t]+(?:\([^)\n]*\)[ \t]*)?([A-Za-z_]\w{0,60})/im;

/** A line as code has it: indented, ending in punctuation, calling, assigning or beginning with a keyword. */
const CODE_LINE =
  /^(?:[ \t]{2,}\S|[})\]]|#include|@\w|(?:def|class|import|from|return|if|for|while|else|elif|try|except|const|let|var|function|fn|pub|use|func|package|struct|SELECT|INSERT|UPDATE|CREATE|raise|print)\b)|[;{}:(),[\]]\s*$|\w\(.*\)|^\s*\w+\s*[-+*/]?=[^=]/;
