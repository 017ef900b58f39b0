// The one door to the desktop: everything else in the window is an ordinary web page.
import { invoke, isTauri } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';

import { browserHost } from './host/browser';

/** Why the sidecar is not running. */
export type Reason =
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
  | { state: 'restarting'; restarts: number; retry_in_ms: number; reason: Reason; log: string[] }
  | { state: 'failed'; reason: Reason; log: string[] };

/** What the window may ask of whatever it runs in. */
export interface Host {
  /** How the sidecar is now. */
  sidecarStatus(): Promise<SidecarStatus>;
  /** Calls back on each change; resolves when it listens. */
  onSidecarStatus(callback: (status: SidecarStatus) => void): Promise<void>;
  /** Starts the sidecar again, also after it was given up. */
  restartSidecar(): Promise<void>;
  /** Says that there is something to see. */
  windowReady(): Promise<void>;
}

/** The host that this page runs in. */
export function openHost(): Host {
  return isTauri() ? desktopHost : browserHost(window.location, window.location.hash);
}

const desktopHost: Host = {
  sidecarStatus: () => invoke<SidecarStatus>('sidecar_status'),
  onSidecarStatus: async (callback) => {
    await listen<SidecarStatus>('sidecar-status', (event) => callback(event.payload));
  },
  restartSidecar: () => invoke('restart_sidecar'),
  windowReady: () => invoke('window_ready'),
};
