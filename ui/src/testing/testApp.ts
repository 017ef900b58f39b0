// A whole window's state over a fake API and a fake desktop, for tests.
import type { Capabilities, DesktopPreferences, EngineState, Host, OpenRequest, EngineCommand, SidecarStatus, UpdateStatus } from '../host';
import { App } from '../state/app.svelte';
import { FakeApi } from './fakeApi';

/** The status of a running sidecar; `restarts` distinguishes runs. */
export function ready(restarts = 0): SidecarStatus {
  return { state: 'ready', base_url: 'http://127.0.0.1:8000', key: 'hapa_0123', version: '0.4.0', restarts };
}

/** A desktop whose reports the test sends. */
export class FakeHost implements Host {
  status: SidecarStatus = ready();
  restarted = 0;
  /** The recorded commands, latest last. */
  readonly saved: { name: string; content: string }[] = [];
  readonly notifications: { title: string; text: string }[] = [];
  readonly engineStates: EngineState[] = [];
  readonly openRequests: OpenRequest[] = [];
  foldersOpened = 0;
  quickHidden = 0;
  language = '';
  quickExpanded = false;
  /** Whether the user cancels the save dialog. */
  declinesSave = false;
  currentCapabilities: Capabilities = { tray: true, shortcut: 'works' };
  preferences: DesktopPreferences = { background: false, notifications: true, shortcut: 'Ctrl+Shift+Space', updates: 'stable' };
  update: UpdateStatus = { state: 'unannounced' };
  /** The recorded update commands. */
  readonly updateCommands: ('check' | 'install' | 'cancel')[] = [];
  atLogin = false;
  #callback: ((status: SidecarStatus) => void) | undefined;
  #orders: ((command: EngineCommand) => void) | undefined;
  #quick: (() => void) | undefined;
  #open: ((request: OpenRequest) => void) | undefined;
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
  updateDesktopPreferences = (change: Partial<DesktopPreferences>) => {
    Object.assign(this.preferences, change);
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
  onEngineCommand = (callback: (command: EngineCommand) => void) => {
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
  resizeQuick = (expanded: boolean) => {
    this.quickExpanded = expanded;
    return Promise.resolve();
  };
  onQuickShown = (callback: () => void) => {
    this.#quick = callback;
    return Promise.resolve();
  };
  openInMainWindow = (request: OpenRequest) => {
    this.openRequests.push(request);
    return Promise.resolve();
  };
  onOpenRequest = (callback: (request: OpenRequest) => void) => {
    this.#open = callback;
    return Promise.resolve();
  };

  /** Sends a command of the tray menu. */
  sendEngineCommand(command: EngineCommand): void {
    this.#orders?.(command);
  }

  /** Shows the quick window. */
  showQuick(): void {
    this.#quick?.();
  }

  /** Sends a request of the quick window. */
  sendOpenRequest(request: OpenRequest): void {
    this.#open?.(request);
  }

  /** Reports an update status. */
  reportUpdate(status: UpdateStatus): void {
    this.#updates?.(status);
  }

  /** Reports a sidecar status. */
  report(status: SidecarStatus): void {
    this.status = status;
    this.#callback?.(status);
  }
}

/** An app over a sidecar with this `status`, which it has received. */
export async function testApp(options: { status?: SidecarStatus; language?: string; api?: FakeApi } = {}) {
  const api = options.api ?? new FakeApi();
  const host = new FakeHost();
  if (options.status) host.status = options.status;
  localStorage.clear();
  const app = new App({ host, fetch: api.fetch, storage: localStorage, language: options.language ?? 'ko-KR' });
  await app.start();
  return { api, host, app };
}
