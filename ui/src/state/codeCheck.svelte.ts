// The result of a code check.
import type { Finding, Validation } from '../api/client';
import { attempt } from '../lib/attempt';
import type { Sidecar } from './sidecar.svelte';

export type { Finding, Validation };

/** Timeout of a check, in milliseconds. */
const TIMEOUT_MS = 20_000;

/** A check of a code block, which can be repeated. */
export class CodeCheck {
  state = $state<'none' | 'running' | 'done' | 'failed'>('none');
  #result = $state.raw<Validation>();
  /** The error, if it failed. */
  error = $state.raw<Error>();

  /** All findings, worst first; empty before the check. */
  get findings(): readonly Finding[] {
    const found = this.#result;
    return found ? [...found.syntax_errors, ...found.security_issues, ...found.performance_warnings, ...found.style_issues] : [];
  }

  /** The worst severity of each line, by line number. */
  get worstByLine(): ReadonlyMap<number, Finding['severity']> {
    const rank = { info: 0, warning: 1, error: 2 };
    const worst = new Map<number, Finding['severity']>();
    for (const { line, severity } of this.state === 'done' ? this.findings : []) {
      const known = worst.get(line);
      if (!known || rank[severity] > rank[known]) worst.set(line, severity);
    }
    return worst;
  }

  /** The score, 0 to 10. */
  get score(): number | undefined {
    return this.#result?.code_quality_score;
  }

  /** Whether the language is not supported by the checker. */
  get unsupported(): boolean {
    return this.#result !== undefined && this.#result.not_checked.includes('syntax');
  }

  /** Runs all checks. A block is checked as a whole file, which ends with a newline. */
  async run(sidecar: Pick<Sidecar, 'api'>, code: string, language: string): Promise<void> {
    this.state = 'running';
    this.error = await attempt(async () => {
      const api = await sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      this.#result = await api.validate({ code: `${code}\n`, language: language || 'python', validation_type: 'all' });
    });
    this.state = this.error ? 'failed' : 'done';
  }
}
