// The host interface: the only module that imports Tauri. Everything else is an ordinary web page.
import { invoke, isTauri } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import { getCurrentWindow } from '@tauri-apps/api/window';

import { browserHost } from './host/browser';
import { PersistedStorage } from './host/persistedStorage';

/** Why the sidecar is not running. */
export type FailureReason =
  | 'crashed'
  | 'exited'
  | 'not_ready_in_time'
  | 'could_not_start'
  | 'bad_config'
  | 'port_taken'
  | 'store_unusable'
  | 'crashes_too_often';

/** The sidecar's status, as reported by the desktop app. */
export type SidecarStatus =
  | { state: 'starting' }
  | { state: 'ready'; base_url: string; key: string; version: string; restarts: number }
  | { state: 'restarting'; restarts: number; retry_in_ms: number; reason: FailureReason; log: string[] }
  | { state: 'failed'; reason: FailureReason; log: string[] };

/** The engine's state, as shown by the tray icon. */
export type EngineState = 'starting' | 'loading' | 'ready' | 'paused' | 'absent' | 'failed';

/** Preferences of the desktop app, stored by it. */
export interface DesktopPreferences {
  /** Whether closing the window keeps HAPA running in the tray. */
  background: boolean;
  /** Whether to notify about finished answers when the window is in the background. */
  notifications: boolean;
  /** The global shortcut of the quick window, such as `Ctrl+Shift+Space`; null for none. */
  shortcut: string | null;
  /** Which updates are announced. */
  updates: 'stable' | 'preview' | 'off';
}

/** The status of updates. */
export type UpdateStatus =
  | { state: 'unannounced' | 'unknown' | 'checking' | 'current' }
  | { state: 'found'; version: string; notes: string | null; installable: boolean }
  | { state: 'downloading'; version: string; received: number; total: number | null }
  | { state: 'installing'; version: string }
  | { state: 'failed'; reason: 'unreachable' | 'not_downloaded' | 'not_trusted' | 'not_installed'; detail: string };

/** Capabilities of the desktop that HAPA runs on. */
export interface Capabilities {
  /** Whether the desktop has a tray, so that HAPA can run without a window. */
  tray: boolean;
  /** Whether the global shortcut works; `taken` if another program has it, `unavailable` if the desktop supports none. */
  shortcut: 'works' | 'taken' | 'unavailable';
}

/** Commands of the tray menu, executed by the window because only it knows the API. */
export type EngineCommand = 'pause' | 'resume';

/** What the window needs of its host. */
export interface Host {
  /** Whether this is the desktop app. In a plain browser, desktop features are hidden. */
  readonly isDesktop: boolean;
  /** The window's key-value store. The desktop app writes each value to disk at once. */
  storage(): Promise<Storage>;
  /** The sidecar's current status. */
  sidecarStatus(): Promise<SidecarStatus>;
  /** Calls back on each change; resolves once subscribed. */
  onSidecarStatus(callback: (status: SidecarStatus) => void): Promise<void>;
  /** Restarts the sidecar, also after it was given up. */
  restartSidecar(): Promise<void>;
  /** Reports that the page is mounted. */
  windowReady(): Promise<void>;
  /** Reports that the first frame was painted. */
  windowPainted(): Promise<void>;

  /** Lets the user save a text as a file named `name`. Resolves to `false` if the user cancels; rejects if writing fails. */
  saveFile(name: string, content: string): Promise<boolean>;
  /** Opens the data folder in the file manager. */
  openDataFolder(): Promise<void>;
  /** Shows a desktop notification if the window is in the background. */
  notify(title: string, text: string): Promise<void>;

  /** The desktop's capabilities, as far as they are known. */
  capabilities(): Promise<Capabilities>;
  /** The desktop preferences. */
  desktopPreferences(): Promise<DesktopPreferences>;
  /** Changes preferences and returns those in effect: a shortcut that cannot be registered is dropped. */
  updateDesktopPreferences(choices: Partial<DesktopPreferences>): Promise<DesktopPreferences>;
  /** Whether HAPA starts at login. */
  startsAtLogin(): Promise<boolean>;
  setStartAtLogin(enabled: boolean): Promise<void>;
  /** Sets the language of the tray. */
  setLanguage(language: 'ko' | 'en'): Promise<void>;
  /** Sets the state that the tray icon shows. */
  setEngineState(state: EngineState): Promise<void>;
  /** Calls back on each command of the tray menu; resolves once subscribed. */
  onEngineCommand(callback: (command: EngineCommand) => void): Promise<void>;

  /** The current status of updates. */
  updateStatus(): Promise<UpdateStatus>;
  /** Calls back on each change; resolves once subscribed. */
  onUpdateStatus(callback: (status: UpdateStatus) => void): Promise<void>;
  /** Checks for an update. */
  checkForUpdate(): Promise<void>;
  /** Installs the update that was found and restarts HAPA. */
  installUpdate(): Promise<void>;
  /** Cancels the download of an update. */
  cancelUpdate(): Promise<void>;

  /** Hides the quick window. */
  hideQuick(): Promise<void>;
  /** Enlarges the quick window for an answer, or shrinks it again. */
  resizeQuick(expanded: boolean): Promise<void>;
  /** Calls back whenever the quick window is shown; resolves once subscribed. */
  onQuickShown(callback: () => void): Promise<void>;
  /** Continues in the main window with a question or a conversation. */
  openInMainWindow(request: OpenRequest): Promise<void>;
  /** Calls back on each request of the quick window; resolves once subscribed. */
  onOpenRequest(callback: (request: OpenRequest) => void): Promise<void>;
}

/** What the quick window asks the main window to open. */
export type OpenRequest = { question: string } | { conversation: string };

/** The host of this page. */
export function openHost(): Host {
  return isTauri() ? desktopHost : browserHost(window.location, window.location.hash);
}

const desktopHost: Host = {
  isDesktop: true,
  storage: async () => {
    const values = await invoke<Record<string, string>>('stored_items');
    const storage = new PersistedStorage(values, (name, value) => invoke('set_item', { key: name, value }));
    await subscribe<[string, string | null]>('remembered', ([name, value]) => storage.applyExternal(name, value));
    return storage;
  },
  sidecarStatus: () => invoke<SidecarStatus>('sidecar_status'),
  onSidecarStatus: (callback) => subscribe<SidecarStatus>('sidecar-status', callback),
  restartSidecar: () => invoke('restart_sidecar'),
  windowReady: () => invoke('window_ready'),
  windowPainted: () => invoke('window_painted'),

  saveFile: (name, content) => invoke<boolean>('save_file', { name, content }),
  openDataFolder: () => invoke('open_data_folder'),
  notify: (title, text) => invoke('notify', { title, text }),

  capabilities: () => invoke<Capabilities>('abilities'),
  desktopPreferences: () => invoke<DesktopPreferences>('preferences'),
  updateDesktopPreferences: (changes) => invoke<DesktopPreferences>('update_preferences', { changes }),
  startsAtLogin: () => invoke<boolean>('starts_at_login'),
  setStartAtLogin: (enabled) => invoke('set_start_at_login', { on: enabled }),
  setLanguage: (language) => invoke('set_language', { language }),
  setEngineState: (state) => invoke('set_engine_state', { state }),
  onEngineCommand: (callback) => subscribe<EngineCommand>('order', callback),

  updateStatus: () => invoke<UpdateStatus>('update_status'),
  onUpdateStatus: (callback) => subscribe<UpdateStatus>('update-status', callback),
  checkForUpdate: () => invoke('check_for_update'),
  installUpdate: () => invoke('install_update'),
  cancelUpdate: () => invoke('cancel_update'),

  hideQuick: () => invoke('hide_quick_window'),
  resizeQuick: (expanded) => invoke('resize_quick_window', { expanded }),
  onQuickShown: (callback) => subscribe<null>('quick-shown', () => callback()),
  openInMainWindow: (request) => invoke('open_in_main_window', { handoff: request }),
  onOpenRequest: (callback) => subscribe<OpenRequest>('opened', callback),
};

/** Subscribes to an event that targets this window. */
async function subscribe<T>(event: string, callback: (payload: T) => void): Promise<void> {
  await listen<T>(event, ({ payload }) => callback(payload), { target: getCurrentWindow().label });
}
