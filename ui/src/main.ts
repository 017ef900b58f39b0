// The window begins here.
import { mount } from 'svelte';

import './styles/tokens.css';
import './styles/base.css';
import './styles/code.css';
import Guarded from './Guarded.svelte';
import Window from './Window.svelte';
import { openHost } from './host';
import { painted } from './lib/painted';
import { App } from './state/app.svelte';

async function begin() {
  const host = openHost();
  const storage = await host.storage();
  const app = new App({ host, fetch: globalThis.fetch.bind(globalThis), storage, language: navigator.language });
  void app.start();
  mount(Guarded, { target: document.body, props: { app, page: Window } });
  document.documentElement.dataset['mounted'] = 'true';
  void host.windowReady();
  await painted();
  await host.windowDrawn();
}

// public/watch.js hears of it.
begin().catch(reportError);
