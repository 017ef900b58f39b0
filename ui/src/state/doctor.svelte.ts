// What is wrong with the installation, and what helps.
import type { Diagnosis } from '../api/client';
import { ApiError } from '../api/errors';
import type { Sidecar } from './sidecar.svelte';

/** How long looking at everything may take, in milliseconds: the whole database is read. */
const TIMEOUT_MS = 60_000;

/** An examination, which can be made again. */
export class Doctor {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  state = $state<'none' | 'running' | 'done' | 'failed'>('none');
  diagnosis = $state.raw<Diagnosis>();
  /** Why there is none, in the API's words. */
  message = $state('');

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Looks at everything. */
  async run(): Promise<void> {
    this.state = 'running';
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#sidecar.api(signal);
      this.diagnosis = await api.doctor(signal);
      this.state = 'done';
    } catch (error) {
      this.message = error instanceof ApiError ? error.message : '';
      this.state = 'failed';
    }
  }

  /** What was found, as text for somebody who helps. */
  get report(): string {
    const { status, findings } = this.diagnosis ?? { status: '', findings: [] };
    const lines = findings.map(({ id, severity, message, help }) => [`[${severity}] ${id}: ${message}`, help && `    ${help}`].filter(Boolean).join('\n'));
    return [status, ...lines].join('\n');
  }
}
