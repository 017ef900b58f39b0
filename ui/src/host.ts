// The one door to the desktop: everything else in the window is an ordinary web page.
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

/** How the sidecar is, as the desktop tells it. */
export type SidecarStatus =
  | { state: 'starting' }
  | { state: 'ready'; base_url: string; key: string; version: string; restarts: number }
  | { state: 'restarting'; restarts: number; retry_in_ms: number; reason: FailureReason; log: string[] }
  | { state: 'failed'; reason: FailureReason; log: string[] };

/** What the model is doing, for whoever sees only the tray's icon. */
export type EngineState = 'starting' | 'loading' | 'ready' | 'paused' | 'absent' | 'failed';

/** What is chosen about the app as a program, and kept by the desktop. */
export interface DesktopPreferences {
  /** Whether closing the window leaves HAPA in the tray. */
  background: boolean;
  /** Whether an answer that nobody watches is told of. */
  notifications: boolean;
  /** The keys that open the quick window, such as `Ctrl+Shift+Space`; null for none. */
  shortcut: string | null;
  /** Which new versions are told of. */
  updates: 'stable' | 'preview' | 'off';
}

/** How it is about new versions of HAPA. */
export type UpdateStatus =
  | { state: 'unannounced' | 'unknown' | 'checking' | 'current' }
  | { state: 'found'; version: string; notes: string | null; installable: boolean }
  | { state: 'downloading'; version: string; received: number; total: number | null }
  | { state: 'installing'; version: string }
  | { state: 'failed'; reason: 'unreachable' | 'not_downloaded' | 'not_trusted' | 'not_installed'; detail: string };

/** What the desktop that HAPA runs on can do. */
export interface Capabilities {
  /** Whether there is a place for HAPA's icon, so that it can run without a window. */
  tray: boolean;
  /** Whether the chosen keys work; `taken` if another program has them, `unavailable` where no program can have any. */
  shortcut: 'works' | 'taken' | 'unavailable';
}

/** What the tray asks the window to do, since only the window knows the API. */
export type EngineCommand = 'pause' | 'resume';

/** What the window may ask of whatever it runs in. */
export interface Host {
  /** Whether this is an app of its own. In a plain browser what is about the desktop is not offered. */
  readonly isDesktop: boolean;
  /** What the window remembers by itself. On the desktop it is written when it is set, whatever happens next. */
  storage(): Promise<Storage>;
  /** How the sidecar is now. */
  sidecarStatus(): Promise<SidecarStatus>;
  /** Calls back on each change; resolves when it listens. */
  onSidecarStatus(callback: (status: SidecarStatus) => void): Promise<void>;
  /** Starts the sidecar again, also after it was given up. */
  restartSidecar(): Promise<void>;
  /** Says that there is something to see. */
  windowReady(): Promise<void>;
  /** Says that it was drawn on the screen. */
  windowPainted(): Promise<void>;

  /** Lets the user save a text as a file, `name` being offered. `false` if they did not; rejects if it could not be written. */
  saveFile(name: string, content: string): Promise<boolean>;
  /** Shows the folder with everything HAPA keeps. */
  openDataFolder(): Promise<void>;
  /** Tells of something by the system's own means, where the window is not being looked at. */
  notify(title: string, text: string): Promise<void>;

  /** What the desktop can do, as far as it is known now. */
  capabilities(): Promise<Capabilities>;
  /** What is chosen. */
  desktopPreferences(): Promise<DesktopPreferences>;
  /** Chooses. What is in force afterwards comes back: keys that cannot be had are not taken. */
  updateDesktopPreferences(choices: Partial<DesktopPreferences>): Promise<DesktopPreferences>;
  /** Whether HAPA starts when the user logs in. */
  startsAtLogin(): Promise<boolean>;
  setStartAtLogin(on: boolean): Promise<void>;
  /** Says which language the tray is to speak. */
  setLanguage(language: 'ko' | 'en'): Promise<void>;
  /** Says what the tray's icon is to show. */
  setEngineState(state: EngineState): Promise<void>;
  /** Calls back when the tray's menu asks for something; resolves when it listens. */
  onEngineCommand(callback: (order: EngineCommand) => void): Promise<void>;

  /** How it is about new versions now. */
  updateStatus(): Promise<UpdateStatus>;
  /** Calls back on each change; resolves when it listens. */
  onUpdateStatus(callback: (status: UpdateStatus) => void): Promise<void>;
  /** Asks whether there is one. */
  checkForUpdate(): Promise<void>;
  /** Puts the one that was found in the place of this one, and starts HAPA again. */
  installUpdate(): Promise<void>;
  /** Gives up its download. */
  cancelUpdate(): Promise<void>;

  /** Hides the quick window. */
  hideQuick(): Promise<void>;
  /** Makes room for an answer in the quick window, or takes it back. */
  resizeQuick(grown: boolean): Promise<void>;
  /** Calls back whenever the quick window is shown; resolves when it listens. */
  onQuickShown(callback: () => void): Promise<void>;
  /** Goes on in the main window with a question, or with the conversation that it was asked in. */
  openInMainWindow(what: OpenRequest): Promise<void>;
  /** Calls back when the quick window hands something over; resolves when it listens. */
  onOpenRequest(callback: (what: OpenRequest) => void): Promise<void>;
}

/** What the quick window hands to the main one. */
export type OpenRequest = { question: string } | { conversation: string };

/** The host that this page runs in. */
export function openHost(): Host {
  return isTauri() ? desktopHost : browserHost(window.location, window.location.hash);
}

const desktopHost: Host = {
  isDesktop: true,
  storage: async () => {
    const values = await invoke<Record<string, string>>('remembered');
    const storage = new PersistedStorage(values, (name, value) => invoke('remember', { name, value }));
    await subscribe<[string, string | null]>('remembered', ([name, value]) => storage.applyExternal(name, value));
    return storage;
  },
  sidecarStatus: () => invoke<SidecarStatus>('sidecar_status'),
  onSidecarStatus: (callback) => subscribe<SidecarStatus>('sidecar-status', callback),
  restartSidecar: () => invoke('restart_sidecar'),
  windowReady: () => invoke('window_ready'),
  windowPainted: () => invoke('window_drawn'),

  saveFile: (name, content) => invoke<boolean>('save_file', { name, content }),
  openDataFolder: () => invoke('open_data_folder'),
  notify: (title, text) => invoke('notify', { title, text }),

  capabilities: () => invoke<Capabilities>('abilities'),
  desktopPreferences: () => invoke<DesktopPreferences>('choices'),
  updateDesktopPreferences: (choices) => invoke<DesktopPreferences>('choose', { choices }),
  startsAtLogin: () => invoke<boolean>('starts_at_login'),
  setStartAtLogin: (on) => invoke('set_start_at_login', { on }),
  setLanguage: (language) => invoke('speak', { language }),
  setEngineState: (state) => invoke('show_engine', { state }),
  onEngineCommand: (callback) => subscribe<EngineCommand>('order', callback),

  updateStatus: () => invoke<UpdateStatus>('update_status'),
  onUpdateStatus: (callback) => subscribe<UpdateStatus>('update-status', callback),
  checkForUpdate: () => invoke('check_for_update'),
  installUpdate: () => invoke('install_update'),
  cancelUpdate: () => invoke('cancel_update'),

  hideQuick: () => invoke('hide_quick'),
  resizeQuick: (grown) => invoke('grow_quick', { grown }),
  onQuickShown: (callback) => subscribe<null>('quick-shown', () => callback()),
  openInMainWindow: (what) => invoke('open_in_window', { what }),
  onOpenRequest: (callback) => subscribe<OpenRequest>('opened', callback),
};

/** Listens for what is said to this window, not to the other one. */
async function subscribe<T>(event: string, callback: (payload: T) => void): Promise<void> {
  await listen<T>(event, ({ payload }) => callback(payload), { target: getCurrentWindow().label });
}
