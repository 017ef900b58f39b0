// The host in a plain browser, for development: the API's address and key come from the URL fragment.
import type { DesktopPreferences, Host, SidecarStatus } from '../host';

/** Preferences without any desktop feature. */
const NO_PREFERENCES: DesktopPreferences = { background: false, notifications: false, shortcut: null, updates: 'off' };

/** Parses `#base=http://127.0.0.1:8000&key=hapa_...` in `fragment`; restarting the sidecar reloads the page. */
export function browserHost(page: Pick<Location, 'reload'>, fragment: string): Host {
  return {
    isDesktop: false,
    storage: () => Promise.resolve(localStorage),
    sidecarStatus: () => Promise.resolve(statusFrom(fragment)),
    onSidecarStatus: () => Promise.resolve(),
    restartSidecar: () => Promise.resolve(page.reload()),
    windowReady: () => Promise.resolve(),
    windowPainted: () => Promise.resolve(),

    saveFile: (name, content) => Promise.resolve(download(name, content)),
    openDataFolder: () => Promise.reject(new Error('a page in a browser opens no folder')),
    notify: () => Promise.resolve(),

    capabilities: () => Promise.resolve({ tray: false, shortcut: 'unavailable' }),
    desktopPreferences: () => Promise.resolve(NO_PREFERENCES),
    updateDesktopPreferences: () => Promise.resolve(NO_PREFERENCES),
    startsAtLogin: () => Promise.resolve(false),
    setStartAtLogin: () => Promise.resolve(),
    setLanguage: () => Promise.resolve(),
    setEngineState: () => Promise.resolve(),
    onEngineCommand: () => Promise.resolve(),

    updateStatus: () => Promise.resolve({ state: 'unannounced' }),
    onUpdateStatus: () => Promise.resolve(),
    checkForUpdate: () => Promise.resolve(),
    installUpdate: () => Promise.resolve(),
    cancelUpdate: () => Promise.resolve(),

    hideQuick: () => Promise.resolve(),
    resizeQuick: () => Promise.resolve(),
    onQuickShown: () => Promise.resolve(),
    openInMainWindow: () => Promise.resolve(),
    onOpenRequest: () => Promise.resolve(),
  };
}

/** Downloads a file. The browser does not report where it was saved, or whether. */
function download(name: string, content: string): boolean {
  const url = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser may not have started reading the URL yet.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return true;
}

function statusFrom(fragment: string): SidecarStatus {
  const parameters = new URLSearchParams(fragment.replace(/^#/, ''));
  const [baseUrl, key] = [parameters.get('base'), parameters.get('key')];
  if (baseUrl && key) {
    return { state: 'ready', base_url: baseUrl.replace(/\/$/, ''), key, version: '', restarts: 0 };
  }
  const hint = 'open this page with #base=http://127.0.0.1:8000&key=hapa_..., as printed by `hapa serve`';
  return { state: 'failed', reason: 'could_not_start', log: [hint] };
}
