// A plain browser in place of the desktop, for development: the API's address and key come in the page's own address.
import type { Host, SidecarStatus } from '../host';

/** Reads `#base=http://127.0.0.1:8000&key=hapa_...` out of `fragment`; starting the sidecar again reloads the page. */
export function browserHost(page: Pick<Location, 'reload'>, fragment: string): Host {
  return {
    sidecarStatus: () => Promise.resolve(statusFrom(fragment)),
    onSidecarStatus: () => Promise.resolve(),
    restartSidecar: () => Promise.resolve(page.reload()),
    windowReady: () => Promise.resolve(),
  };
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
