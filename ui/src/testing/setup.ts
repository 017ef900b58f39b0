// Test setup: what jsdom lacks.
import { configure } from '@testing-library/svelte';
import { beforeEach, vi } from 'vitest';

// A generous timeout for busy machines; no test waits for something that never comes.
const WAIT = { timeout: 10_000 };
configure({ asyncUtilTimeout: WAIT.timeout });
const { waitFor } = vi;
vi.waitFor = (callback, options) => waitFor(callback, options ?? WAIT);

/** Reports the same size for every element, so that virtualized lists render items. */
class FixedSizeObserver implements ResizeObserver {
  readonly #callback: ResizeObserverCallback;

  constructor(callback: ResizeObserverCallback) {
    this.#callback = callback;
  }

  observe(target: Element) {
    const contentRect = new DOMRect(0, 0, 800, 300);
    queueMicrotask(() => this.#callback([{ target, contentRect } as ResizeObserverEntry], this));
  }

  unobserve() {}
  disconnect() {}
}

function parentOf(this: HTMLElement) {
  return this.parentElement;
}

beforeEach(() => {
  globalThis.ResizeObserver = FixedSizeObserver;
  Object.defineProperty(HTMLElement.prototype, 'offsetParent', { configurable: true, get: parentOf });
  Element.prototype.scrollIntoView ??= () => {};
  Blob.prototype.text ??= function (this: Blob) {
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result));
      reader.readAsText(this);
    });
  };
  Blob.prototype.arrayBuffer ??= function (this: Blob) {
    return new Promise<ArrayBuffer>((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result as ArrayBuffer);
      reader.readAsArrayBuffer(this);
    });
  };
  HTMLElement.prototype.scrollTo = () => undefined;
  HTMLElement.prototype.showPopover ??= function (this: HTMLElement) {
    this.dispatchEvent(Object.assign(new Event('toggle'), { newState: 'open' }));
  };
  HTMLElement.prototype.hidePopover ??= function (this: HTMLElement) {
    this.dispatchEvent(Object.assign(new Event('toggle'), { newState: 'closed' }));
  };
  HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
    if (!this.open) return;
    this.open = false;
    this.dispatchEvent(new Event('close'));
  };
});
