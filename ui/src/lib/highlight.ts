// Syntax highlighting into lines of tokens. An unchanged line keeps its object, so that it is not rendered again.
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import kotlin from 'highlight.js/lib/languages/kotlin';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import shell from 'highlight.js/lib/languages/shell';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { createLowlight } from 'lowlight';

/** A token of a line; `kind` is its highlight.js class names. */
export interface Token {
  text: string;
  kind: string | undefined;
}

export interface TokenLine {
  /** Equal lines have equal keys. */
  key: string;
  tokens: readonly Token[];
}

const lowlight = createLowlight({
  bash, c, cpp, csharp, css, diff, go, ini, java, javascript, json, kotlin, python, rust, shell, sql, typescript, xml, yaml,
});
lowlight.registerAlias({ ini: ['toml'], python: ['python3'], shell: ['console'] });

/** Highlights `code` into lines with their line endings; plain text if the language is unknown. */
export function highlight(code: string, language: string, previousLines: readonly TokenLine[] = []): readonly TokenLine[] {
  const pieces = lowlight.registered(language) ? flatten(lowlight.highlight(language, code).children as Node[]) : [{ text: code, kind: undefined }];
  return lines(pieces).map((line, index) => {
    const key = JSON.stringify(line);
    const previous = previousLines[index];
    return previous?.key === key ? previous : { key, tokens: line };
  });
}

/** A highlighter that reuses unchanged lines of the previous call. */
export function highlighter(): (code: string, language: string) => readonly TokenLine[] {
  let previousLines: readonly TokenLine[] = [];
  return (code, language) => (previousLines = highlight(code, language, previousLines));
}

/** The part of lowlight's tree that is used here. */
type Node = { type: 'text'; value: string } | { type: 'element'; properties: { className?: string[] }; children: Node[] };

/** The leaves of the tree, each with its innermost class. */
function flatten(nodes: readonly Node[], kind?: string): Token[] {
  return nodes.flatMap((node) =>
    node.type === 'text' ? [{ text: node.value, kind }] : flatten(node.children, node.properties.className?.join(' ') ?? kind),
  );
}

function lines(pieces: readonly Token[]): Token[][] {
  const splitLines: Token[][] = [[]];
  for (const { text, kind } of pieces) {
    const parts = text.split(/(?<=\n)/);
    for (const part of parts) {
      if (part !== '') splitLines.at(-1)?.push({ text: part, kind });
      if (part.endsWith('\n')) splitLines.push([]);
    }
  }
  if (splitLines.at(-1)?.length === 0) splitLines.pop();
  return splitLines;
}
