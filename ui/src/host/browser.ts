// A plain browser in place of the desktop, for development: the API's address and key come in the page's own address.
import type { DesktopPreferences, Host, SidecarStatus } from '../host';

/** Nothing of what only a desktop has. */
const NOTHING: DesktopPreferences = { background: false, notifications: false, shortcut: null, updates: 'off' };

/** Reads `#base=http://127.0.0.1:8000&key=hapa_...` out of `fragment`; starting the sidecar again reloads the page. */
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
    desktopPreferences: () => Promise.resolve(NOTHING),
    updateDesktopPreferences: () => Promise.resolve(NOTHING),
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

/** Where the file goes is the browser's business, and nobody tells us. */
function download(name: string, content: string): boolean {
  const address = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // A browser that has not begun to read it yet would find nothing.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return true;
}

function statusFrom(fragment: string): SidecarStatus {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const [base, key] = [given.get('base'), given.get('key')];
  if (base && key) {
    return { state: 'ready', base_url: base.replace(/\/$/, ''), key, version: '', restarts: 0 };
  }
  const hint = 'open this page with #base=http://127.0.0.1:8000&key=hapa_..., as printed by `hapa serve`';
  return { state: 'failed', reason: 'could_not_start', log: [hint] };
}
