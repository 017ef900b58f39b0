// A whole window's state over a fake API and a fake desktop, for tests.
import type { Host, SidecarStatus } from '../host';
import { App } from '../state/app.svelte';
import { FakeApi } from './api';

/** A sidecar that runs; `restarts` tells one from the next. */
export function ready(restarts = 0): SidecarStatus {
  return { state: 'ready', base_url: 'http://127.0.0.1:8000', key: 'hapa_0123', version: '0.4.0', restarts };
}

/** A desktop that reports what the test says. */
export class FakeHost implements Host {
  status: SidecarStatus = ready();
  restarted = 0;
  #callback: ((status: SidecarStatus) => void) | undefined;

  sidecarStatus = () => Promise.resolve(this.status);
  onSidecarStatus = (callback: (status: SidecarStatus) => void) => {
    this.#callback = callback;
    return Promise.resolve();
  };
  restartSidecar = () => {
    this.restarted += 1;
    return Promise.resolve();
  };
  windowReady = () => Promise.resolve();

  /** Reports a change. */
  report(status: SidecarStatus): void {
    this.status = status;
    this.#callback?.(status);
  }
}

/** A house whose sidecar is as `status` says, and which has heard of it. */
export async function house(given: { status?: SidecarStatus; language?: string; api?: FakeApi } = {}) {
  const api = given.api ?? new FakeApi();
  const host = new FakeHost();
  if (given.status) host.status = given.status;
  localStorage.clear();
  const app = new App({ host, fetch: api.fetch, storage: localStorage, language: given.language ?? 'ko-KR' });
  await app.start();
  return { api, host, app };
}
