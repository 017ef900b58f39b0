// Entry point of the main window.
import { mount } from 'svelte';

import './styles/tokens.css';
import './styles/base.css';
import './styles/code.css';
import ErrorBoundary from './ErrorBoundary.svelte';
import Window from './Window.svelte';
import { openHost } from './host';
import { waitForFirstPaint } from './lib/firstPaint';
import { App } from './state/app.svelte';

async function start() {
  const host = openHost();
  const storage = await host.storage();
  const app = new App({ host, fetch: globalThis.fetch.bind(globalThis), storage, language: navigator.language });
  void app.start();
  mount(ErrorBoundary, { target: document.body, props: { app, page: Window } });
  document.documentElement.dataset['mounted'] = 'true';
  void host.windowReady();
  await waitForFirstPaint();
  await host.windowPainted();
}

// public/load-guard.js listens for the error.
start().catch(reportError);
