// What checking a piece of code has shown.
import type { Finding, Validation } from '../api/client';
import type { Sidecar } from './sidecar.svelte';

export type { Finding, Validation };

/** How long a check may take. */
const TIMEOUT_MS = 20_000;

/** A check of code, which can be made again. */
export class CodeCheck {
  state = $state<'none' | 'running' | 'done' | 'failed'>('none');
  #result = $state.raw<Validation>();
  /** Why there is no result, in the API's words. */
  message = $state('');

  /** What was found, the worst first; none until it was looked for. */
  get findings(): readonly Finding[] {
    const found = this.#result;
    return found ? [...found.syntax_errors, ...found.security_issues, ...found.performance_warnings, ...found.style_issues] : [];
  }

  /** The worst that was found in each line, by its number. */
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

  /** Whether nothing could be looked at, as for a language that is not read here. */
  get unsupported(): boolean {
    return this.#result !== undefined && this.#result.not_checked.includes('syntax');
  }

  /** Looks for everything that can be found. A block is a whole file here, which ends with a line's end. */
  async run(sidecar: Pick<Sidecar, 'api'>, code: string, language: string): Promise<void> {
    this.state = 'running';
    try {
      const api = await sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      this.#result = await api.validate({ code: `${code}\n`, language: language || 'python', validation_type: 'all' });
      this.state = 'done';
    } catch (error) {
      this.message = error instanceof Error ? error.message : String(error);
      this.state = 'failed';
    }
  }
}
