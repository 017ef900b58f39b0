// The window begins here.
import { mount } from 'svelte';

import './styles/tokens.css';
import './styles/base.css';
import './styles/code.css';
import Window from './Window.svelte';
import { openHost } from './host';
import { App } from './state/app.svelte';

const host = openHost();
const app = new App({ host, fetch: globalThis.fetch.bind(globalThis), storage: localStorage, language: navigator.language });
void app.start();
mount(Window, { target: document.body, props: { app } });
void host.windowReady();
