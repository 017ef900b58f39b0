// The doctor: diagnosis of the installation, with fixes.
import type { Diagnosis } from '../api/client';
import { ApiError } from '../api/errors';
import { attempt } from '../lib/attempt';
import type { Sidecar } from './sidecar.svelte';

/** Timeout in milliseconds: the integrity check reads the whole database. */
const TIMEOUT_MS = 60_000;

/** A diagnosis, which can be repeated. */
export class Doctor {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  state = $state<'none' | 'running' | 'done' | 'failed'>('none');
  diagnosis = $state.raw<Diagnosis>();
  /** The error, if it failed. */
  error = $state.raw<Error>();

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Runs all checks. */
  async run(): Promise<void> {
    this.state = 'running';
    this.error = await attempt(async () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#sidecar.api(signal);
      this.diagnosis = await api.doctor(signal);
    });
    this.state = this.error ? 'failed' : 'done';
  }

  /** The error message of the API; empty if it did not respond. */
  get message(): string {
    return this.error instanceof ApiError ? this.error.message : '';
  }

  /** The findings as text, for a bug report. */
  get report(): string {
    const { status, findings } = this.diagnosis ?? { status: '', findings: [] };
    const lines = findings.map(({ id, severity, message, help }) => [`[${severity}] ${id}: ${message}`, help && `    ${help}`].filter(Boolean).join('\n'));
    return [status, ...lines].join('\n');
  }
}
