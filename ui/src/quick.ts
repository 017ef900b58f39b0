// Entry point of the quick window.
import { mount } from 'svelte';

import './styles/tokens.css';
import './styles/base.css';
import './styles/code.css';
import ErrorBoundary from './ErrorBoundary.svelte';
import Quick from './Quick.svelte';
import { openHost } from './host';
import { App } from './state/app.svelte';

async function start() {
  const host = openHost();
  const storage = await host.storage();
  const app = new App({ host, fetch: globalThis.fetch.bind(globalThis), storage, language: navigator.language, draftPrefix: 'hapa.quick.' });
  void app.sidecar.follow(() => undefined);
  mount(ErrorBoundary, { target: document.body, props: { app, page: Quick } });
  document.documentElement.dataset['mounted'] = 'true';
}

// public/load-guard.js listens for the error.
start().catch(reportError);
