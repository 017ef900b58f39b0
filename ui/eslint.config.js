// ESLint configuration: strict TypeScript, Svelte, and which folders may import Tauri and the API.
import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import { defineConfig } from 'eslint/config';
import globals from 'globals';
import ts from 'typescript-eslint';

import svelteConfig from './svelte.config.js';

const tauri = { group: ['@tauri-apps/*'], message: 'Only src/host.ts talks to Tauri.' };
const api = { group: ['**/api/client'], message: 'Only src/state talks to the API.' };
const only = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

export default defineConfig(
  { ignores: ['dist/', 'node_modules/', 'src/api/schema.ts'] },
  js.configs.recommended,
  ts.configs.strict,
  svelte.configs.recommended,
  { languageOptions: { globals: globals.browser } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
  },
  {
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'svelte/no-at-html-tags': 'error',
      'svelte/no-inline-styles': 'error',
      'svelte/button-has-type': 'error',
      ...only(tauri),
    },
  },
  { files: ['src/**'], ignores: ['src/state/**', 'src/api/**', 'src/testing/**', 'src/host/**', 'src/host.ts'], rules: only(tauri, api) },
  // A set that is read only inside its class need not be reactive; what is rendered is $state.
  { files: ['src/state/**'], rules: { 'svelte/prefer-svelte-reactivity': 'off' } },
  { files: ['src/host.ts'], rules: { 'no-restricted-imports': 'off' } },
);
