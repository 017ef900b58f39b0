// The quick window begins here.
import { mount } from 'svelte';

import './styles/tokens.css';
import './styles/base.css';
import './styles/code.css';
import Guarded from './Guarded.svelte';
import Quick from './Quick.svelte';
import { openHost } from './host';
import { App } from './state/app.svelte';

async function begin() {
  const host = openHost();
  const storage = await host.storage();
  const app = new App({ host, fetch: globalThis.fetch.bind(globalThis), storage, language: navigator.language, drafts: 'hapa.quick.' });
  void app.sidecar.follow(() => undefined);
  mount(Guarded, { target: document.body, props: { app, page: Quick } });
  document.documentElement.dataset['mounted'] = 'true';
}

// public/watch.js hears of it.
begin().catch(reportError);
