// Code detection: whether text is code, the language of a file, and a file name for a snippet.

/** File extensions by language, with the language's names and aliases. */
const EXTENSIONS: readonly (readonly [extension: string, ...names: string[]])[] = [
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

/** The file extension of `language`; `txt` for an unknown language. */
export function extensionOf(language: string): string {
  const name = language.toLowerCase();
  return EXTENSIONS.find(([extension, ...names]) => extension === name || names.includes(name))?.[0] ?? 'txt';
}

/** The language of a file by its extension; empty if unknown. */
export function languageOf(path: string): string {
  const extension = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return EXTENSIONS.find(([first, ...names]) => first === extension || names.includes(extension))?.[1] ?? '';
}

/** A file name for `code`: after its first declaration, else `otherwise`. */
export function suggestFileName(code: string, language: string, fallback: string): string {
  const declared = DECLARATION.exec(code)?.[1];
  return `${declared ?? fallback}.${extensionOf(language)}`;
}

/** Whether `text` is code rather than prose: fenced, or most lines match {@link CODE_LINE}. */
export function looksLikeCode(text: string): boolean {
  if (text.includes('```')) return true;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length > 1 && lines.filter((line) => CODE_LINE.test(line)).length * 2 > lines.length;
}

/** The first class, function, type or table declaration in one of many languages. */
const DECLARATION =
  /^[ \t]*(?:(?:export|default|public|private|protected|static|abstract|final|async|pub(?:\([^)\n]*\))?|unsafe|const|data|sealed)[ \t]+)*(?:class|def|function\*?|func|fn|fun|struct|enum|interface|trait|type|record|CREATE[ \t]+(?:TABLE|VIEW|FUNCTION)(?:[ \t]+IF[ \t]+NOT[ \t]+EXISTS)?)[ \t]+(?:\([^)\n]*\)[ \t]*)?([A-Za-z_]\w{0,60})/im;

/** A line of code: indented, ending in punctuation, a call, an assignment, or starting with a keyword. */
const CODE_LINE =
  /^(?:[ \t]{2,}\S|[})\]]|#include|@\w|(?:def|class|import|from|return|if|for|while|else|elif|try|except|const|let|var|function|fn|pub|use|func|package|struct|SELECT|INSERT|UPDATE|CREATE|raise|print)\b)|[;{}:(),[\]]\s*$|\w\(.*\)|^\s*\w+\s*[-+*/]?=[^=]/;
