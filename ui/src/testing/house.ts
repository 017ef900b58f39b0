// A whole window's state over a fake API and a fake desktop, for tests.
import type { Abilities, Choices, EngineState, Host, Opened, Order, SidecarStatus, UpdateStatus } from '../host';
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
  /** What it was asked to do, the latest last. */
  readonly saved: { name: string; content: string }[] = [];
  readonly told: { title: string; text: string }[] = [];
  readonly shown: EngineState[] = [];
  readonly opened: Opened[] = [];
  foldersOpened = 0;
  quickHidden = 0;
  spoken = '';
  grown = false;
  /** Whether whoever is asked where to save a file does not say. */
  refusing = false;
  can: Abilities = { tray: true, shortcut: 'works' };
  chosen: Choices = { background: false, notifications: true, shortcut: 'Ctrl+Shift+Space', updates: 'stable' };
  update: UpdateStatus = { state: 'unannounced' };
  /** What it was asked to do about new versions. */
  readonly updating: ('check' | 'install' | 'cancel')[] = [];
  atLogin = false;
  #callback: ((status: SidecarStatus) => void) | undefined;
  #orders: ((order: Order) => void) | undefined;
  #quick: (() => void) | undefined;
  #open: ((what: Opened) => void) | undefined;
  #updates: ((status: UpdateStatus) => void) | undefined;

  isDesktop = true;
  storage = () => Promise.resolve(localStorage);
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
  windowDrawn = () => Promise.resolve();

  saveFile = (name: string, content: string) => {
    if (!this.refusing) this.saved.push({ name, content });
    return Promise.resolve(!this.refusing);
  };
  openDataFolder = () => {
    this.foldersOpened += 1;
    return Promise.resolve();
  };
  notify = (title: string, text: string) => {
    this.told.push({ title, text });
    return Promise.resolve();
  };
  abilities = () => Promise.resolve({ ...this.can });
  choices = () => Promise.resolve({ ...this.chosen });
  choose = (choices: Partial<Choices>) => {
    Object.assign(this.chosen, choices);
    return this.choices();
  };
  startsAtLogin = () => Promise.resolve(this.atLogin);
  setStartAtLogin = (on: boolean) => {
    this.atLogin = on;
    return Promise.resolve();
  };
  speak = (language: 'ko' | 'en') => {
    this.spoken = language;
    return Promise.resolve();
  };
  showEngine = (state: EngineState) => {
    this.shown.push(state);
    return Promise.resolve();
  };
  onOrder = (callback: (order: Order) => void) => {
    this.#orders = callback;
    return Promise.resolve();
  };
  updateStatus = () => Promise.resolve(this.update);
  onUpdateStatus = (callback: (status: UpdateStatus) => void) => {
    this.#updates = callback;
    return Promise.resolve();
  };
  checkForUpdate = () => Promise.resolve(void this.updating.push('check'));
  installUpdate = () => Promise.resolve(void this.updating.push('install'));
  cancelUpdate = () => Promise.resolve(void this.updating.push('cancel'));
  hideQuick = () => {
    this.quickHidden += 1;
    return Promise.resolve();
  };
  growQuick = (grown: boolean) => {
    this.grown = grown;
    return Promise.resolve();
  };
  onQuickShown = (callback: () => void) => {
    this.#quick = callback;
    return Promise.resolve();
  };
  openInWindow = (what: Opened) => {
    this.opened.push(what);
    return Promise.resolve();
  };
  onOpened = (callback: (what: Opened) => void) => {
    this.#open = callback;
    return Promise.resolve();
  };

  /** Asks what the tray's menu asks. */
  order(order: Order): void {
    this.#orders?.(order);
  }

  /** Shows the quick window. */
  showQuick(): void {
    this.#quick?.();
  }

  /** Hands over what the quick window does. */
  handOver(what: Opened): void {
    this.#open?.(what);
  }

  /** Tells of a change about new versions. */
  tellOfUpdate(status: UpdateStatus): void {
    this.#updates?.(status);
  }

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
