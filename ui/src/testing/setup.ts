// What the test's stand-in for a browser lacks.
import { configure } from '@testing-library/svelte';
import { beforeEach, vi } from 'vitest';

// A busy machine is slow, and no test waits for something that is not to come.
const PATIENT = { timeout: 10_000 };
configure({ asyncUtilTimeout: PATIENT.timeout });
const { waitFor } = vi;
vi.waitFor = (callback, options) => waitFor(callback, options ?? PATIENT);

/** Every element is as large as every other, so that a list that shows what is near has something near. */
class Sized implements ResizeObserver {
  readonly #told: ResizeObserverCallback;

  constructor(told: ResizeObserverCallback) {
    this.#told = told;
  }

  observe(target: Element) {
    const contentRect = new DOMRect(0, 0, 800, 300);
    queueMicrotask(() => this.#told([{ target, contentRect } as ResizeObserverEntry], this));
  }

  unobserve() {}
  disconnect() {}
}

function parentOf(this: HTMLElement) {
  return this.parentElement;
}

beforeEach(() => {
  globalThis.ResizeObserver = Sized;
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
