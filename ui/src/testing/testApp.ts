// A whole window's state over a fake API and a fake desktop, for tests.
import type { Capabilities, DesktopPreferences, EngineState, Host, OpenRequest, EngineCommand, SidecarStatus, UpdateStatus } from '../host';
import { App } from '../state/app.svelte';
import { FakeApi } from './fakeApi';

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
  readonly notifications: { title: string; text: string }[] = [];
  readonly engineStates: EngineState[] = [];
  readonly openRequests: OpenRequest[] = [];
  foldersOpened = 0;
  quickHidden = 0;
  language = '';
  quickExpanded = false;
  /** Whether whoever is asked where to save a file does not say. */
  declinesSave = false;
  currentCapabilities: Capabilities = { tray: true, shortcut: 'works' };
  preferences: DesktopPreferences = { background: false, notifications: true, shortcut: 'Ctrl+Shift+Space', updates: 'stable' };
  update: UpdateStatus = { state: 'unannounced' };
  /** What it was asked to do about new versions. */
  readonly updateCommands: ('check' | 'install' | 'cancel')[] = [];
  atLogin = false;
  #callback: ((status: SidecarStatus) => void) | undefined;
  #orders: ((command: EngineCommand) => void) | undefined;
  #quick: (() => void) | undefined;
  #open: ((what: OpenRequest) => void) | undefined;
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
  windowPainted = () => Promise.resolve();

  saveFile = (name: string, content: string) => {
    if (!this.declinesSave) this.saved.push({ name, content });
    return Promise.resolve(!this.declinesSave);
  };
  openDataFolder = () => {
    this.foldersOpened += 1;
    return Promise.resolve();
  };
  notify = (title: string, text: string) => {
    this.notifications.push({ title, text });
    return Promise.resolve();
  };
  capabilities = () => Promise.resolve({ ...this.currentCapabilities });
  desktopPreferences = () => Promise.resolve({ ...this.preferences });
  updateDesktopPreferences = (choices: Partial<DesktopPreferences>) => {
    Object.assign(this.preferences, choices);
    return this.desktopPreferences();
  };
  startsAtLogin = () => Promise.resolve(this.atLogin);
  setStartAtLogin = (on: boolean) => {
    this.atLogin = on;
    return Promise.resolve();
  };
  setLanguage = (language: 'ko' | 'en') => {
    this.language = language;
    return Promise.resolve();
  };
  setEngineState = (state: EngineState) => {
    this.engineStates.push(state);
    return Promise.resolve();
  };
  onEngineCommand = (callback: (order: EngineCommand) => void) => {
    this.#orders = callback;
    return Promise.resolve();
  };
  updateStatus = () => Promise.resolve(this.update);
  onUpdateStatus = (callback: (status: UpdateStatus) => void) => {
    this.#updates = callback;
    return Promise.resolve();
  };
  checkForUpdate = () => Promise.resolve(void this.updateCommands.push('check'));
  installUpdate = () => Promise.resolve(void this.updateCommands.push('install'));
  cancelUpdate = () => Promise.resolve(void this.updateCommands.push('cancel'));
  hideQuick = () => {
    this.quickHidden += 1;
    return Promise.resolve();
  };
  resizeQuick = (grown: boolean) => {
    this.quickExpanded = grown;
    return Promise.resolve();
  };
  onQuickShown = (callback: () => void) => {
    this.#quick = callback;
    return Promise.resolve();
  };
  openInMainWindow = (what: OpenRequest) => {
    this.openRequests.push(what);
    return Promise.resolve();
  };
  onOpenRequest = (callback: (what: OpenRequest) => void) => {
    this.#open = callback;
    return Promise.resolve();
  };

  /** Asks what the tray's menu asks. */
  sendEngineCommand(order: EngineCommand): void {
    this.#orders?.(order);
  }

  /** Shows the quick window. */
  showQuick(): void {
    this.#quick?.();
  }

  /** Hands over what the quick window does. */
  sendOpenRequest(what: OpenRequest): void {
    this.#open?.(what);
  }

  /** Tells of a change about new versions. */
  reportUpdate(status: UpdateStatus): void {
    this.#updates?.(status);
  }

  /** Reports a change. */
  report(status: SidecarStatus): void {
    this.status = status;
    this.#callback?.(status);
  }
}

/** A house whose sidecar is as `status` says, and which has heard of it. */
export async function testApp(given: { status?: SidecarStatus; language?: string; api?: FakeApi } = {}) {
  const api = given.api ?? new FakeApi();
  const host = new FakeHost();
  if (given.status) host.status = given.status;
  localStorage.clear();
  const app = new App({ host, fetch: api.fetch, storage: localStorage, language: given.language ?? 'ko-KR' });
  await app.start();
  return { api, host, app };
}
