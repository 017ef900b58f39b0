// The models: those that are here, those on their way, and those that can be had.
import { isAbort, type Api, type CatalogueItem, type Download, type HubFile, type HubItem, type ModelItem, type Role } from '../api/client';
import { ApiError, ApiUnreachable } from '../api/errors';
import { sleep } from './activeModel.svelte';
import type { Sidecar } from './sidecar.svelte';

export type { CatalogueItem, Download, HubFile, HubItem, ModelItem, Role };

/** How often is looked, in milliseconds: while a model loads, and while none does. */
const LOADING_POLL_MS = 500;
const IDLE_POLL_MS = 4000;
/** How long an order may take, and how long to wait after the line broke. */
const TIMEOUT_MS = 10_000;
const RECONNECT_MS = 1000;

/** What a check of a file has shown. */
export type VerifyResult = 'checking' | 'whole' | 'damaged' | 'unknown';

/** What is known of a search. */
export interface HubSearch {
  text: string;
  state: 'searching' | 'found' | 'failed';
  message?: string;
  repositories: readonly HubItem[];
}

/** The files of a repository, as far as they are known. */
export type RepositoryFiles = { state: 'reading' } | { state: 'read'; host: string; files: readonly HubFile[] } | { state: 'failed'; message: string };

/** What the API tells about models for as long as somebody looks, and what can be done with them. */
export class Models {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #installed = $state.raw<readonly ModelItem[]>();
  #catalogue = $state.raw<readonly CatalogueItem[]>([]);
  #downloads = $state.raw<readonly Download[]>([]);
  #failed = $state(false);
  #lastError = $state<string>();
  #search = $state.raw<HubSearch>();
  #files = $state.raw<Readonly<Record<string, RepositoryFiles>>>({});
  #verifyResults = $state.raw<Readonly<Record<string, VerifyResult>>>({});
  #polling: AbortController | undefined;
  #searching: AbortController | undefined;

  readonly #onchange: () => void;
  /** What chats and how that is, when it was last seen. */
  #chatModels = '';
  /** How many look. */
  #pollers = 0;

  /** `onchange` is called when another model chats, or the one that does has changed. */
  constructor(sidecar: Pick<Sidecar, 'api'>, onchange: () => void) {
    this.#sidecar = sidecar;
    this.#onchange = onchange;
  }

  /** The models that are here, those that were chosen first; undefined until the API has told. */
  get installed(): readonly ModelItem[] | undefined {
    return this.#installed;
  }

  /** Models that are worth a download, smallest first. */
  get catalogue(): readonly CatalogueItem[] {
    return this.#catalogue;
  }

  /** What is being downloaded, or was of late. */
  get downloads(): readonly Download[] {
    return this.#downloads;
  }

  /** The download that is on its way, or waits for somebody to let it go on. */
  get activeDownload(): Download | undefined {
    return this.#downloads.find(({ state }) => state !== 'done' && state !== 'failed');
  }

  /** The model that suits this machine best, of those worth a download. */
  get recommended(): CatalogueItem | undefined {
    return this.#catalogue.find((entry) => entry.suggested);
  }

  /** Whether the API did not tell when it was last asked. */
  get failed(): boolean {
    return this.#failed;
  }

  /** After how long it is worth looking again, in milliseconds. */
  get pollInterval(): number {
    return this.#installed?.some((model) => model.state === 'loading') ? LOADING_POLL_MS : IDLE_POLL_MS;
  }

  /** Why the last order was not followed. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** The latest search, if there was one. */
  get search(): HubSearch | undefined {
    return this.#search;
  }

  /** The files of a repository, if they were asked for. */
  files(repository: string): RepositoryFiles | undefined {
    return this.#files[repository];
  }

  /** What a check of a model's file has shown, if there was one. */
  verifyResult(id: string): VerifyResult | undefined {
    return this.#verifyResults[id];
  }

  /** Looks again and again until {@link stopPolling} was called as often. */
  startPolling(): void {
    this.#pollers += 1;
    if (this.#pollers > 1) return;
    const { signal } = (this.#polling = new AbortController());
    void this.#poll(signal);
    void this.#followDownloads(signal);
  }

  /** Looks no more. */
  stopPolling(): void {
    this.#pollers -= 1;
    if (this.#pollers === 0) this.#polling?.abort();
  }

  /** Looks once, at once. */
  refresh(): Promise<void> {
    return this.#run(async (api, signal) => this.#apply(await api.models(signal)));
  }

  /** Forgets why the last order was not followed. */
  dismissError(): void {
    this.#lastError = undefined;
  }

  /** Begins to download a model. */
  download(repository: string, file: string): Promise<void> {
    return this.#run((api, signal) => api.download({ repository, file }, signal));
  }

  /** Lets a download wait, or go on. */
  pauseDownload(id: string, paused: boolean): Promise<void> {
    return this.#run((api, signal) => api.pauseDownload(id, paused, signal));
  }

  /** Gives up a download, or takes one that is over off the list. */
  cancelDownload(id: string): Promise<void> {
    return this.#run((api, signal) => api.cancelDownload(id, signal));
  }

  /** Chooses a model, and loads it. */
  load(id: string, role: Role): Promise<void> {
    return this.#run(async (api, signal) => this.#apply(await api.loadModel(id, role, signal)));
  }

  /** Takes a model out of memory. */
  unload(id: string): Promise<void> {
    return this.#run(async (api, signal) => this.#apply(await api.unloadModel(id, signal)));
  }

  /** Removes a model's file. One that is in memory is taken out first. */
  remove(id: string): Promise<void> {
    return this.#run(async (api, signal) => {
      const inMemory = () => ['ready', 'loading'].includes(this.#installed?.find((model) => model.id === id)?.state ?? '');
      if (inMemory()) this.#apply(await api.unloadModel(id, signal));
      while (inMemory()) {
        await sleep(100, signal);
        signal.throwIfAborted();
        this.#apply(await api.models(signal));
      }
      this.#apply(await api.removeModel(id, signal));
    });
  }

  /** Compares a model's bytes with what they were when it was downloaded. */
  async verify(id: string): Promise<void> {
    const verdict = (verdict?: VerifyResult) => (this.#verifyResults = verdict ? { ...this.#verifyResults, [id]: verdict } : without(this.#verifyResults, id));
    verdict('checking');
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      const { matches } = await api.verifyModel(id);
      verdict(matches === undefined || matches === null ? 'unknown' : matches ? 'whole' : 'damaged');
    } catch (error) {
      verdict();
      this.#lastError = messageOf(error);
    }
  }

  /** Searches the hub. A newer search ends an older one. */
  async searchHub(text: string): Promise<void> {
    this.#searching?.abort();
    const { signal } = (this.#searching = new AbortController());
    this.#search = { text, state: 'searching', repositories: [] };
    try {
      const api = await this.#sidecar.api(signal);
      const { repositories } = await api.searchHub(text, signal);
      if (!signal.aborted) this.#search = { text, state: 'found', repositories };
    } catch (error) {
      if (!signal.aborted) this.#search = { text, state: 'failed', message: messageOf(error), repositories: [] };
    }
  }

  /** Reads the files of a repository, or puts them away. */
  async toggleFiles(repository: string): Promise<void> {
    const known = this.#files[repository];
    if (known && known.state !== 'failed') {
      this.#files = without(this.#files, repository);
      return;
    }
    const set = (files: RepositoryFiles) => (this.#files = { ...this.#files, [repository]: files });
    set({ state: 'reading' });
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      const { host, files } = await api.hubFiles(repository);
      set({ state: 'read', host, files });
    } catch (error) {
      set({ state: 'failed', message: messageOf(error) });
    }
  }

  #apply({ models, catalogue }: { models: readonly ModelItem[]; catalogue: readonly CatalogueItem[] }): void {
    this.#installed = models;
    this.#catalogue = catalogue;
    this.#failed = false;
    const chatting = models.filter(({ roles }) => roles.includes('chat')).map(({ id, state }) => `${id} ${state}`).join();
    if (chatting === this.#chatModels) return;
    this.#chatModels = chatting;
    this.#onchange();
  }

  async #run(act: (api: Api, signal: AbortSignal) => Promise<unknown>): Promise<void> {
    this.#lastError = undefined;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      await act(await this.#sidecar.api(signal), signal);
    } catch (error) {
      this.#lastError = messageOf(error);
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const api = await this.#sidecar.api(signal);
        const seen = await api.models(signal);
        if (signal.aborted) return;
        this.#apply(seen);
      } catch {
        if (!signal.aborted) this.#failed = true;
      }
      await sleep(this.pollInterval, signal);
    }
  }

  /** Follows the list of downloads. When one is done, the models are looked at. */
  async #followDownloads(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const api = await this.#sidecar.api(signal);
        for await (const { downloads } of api.downloads(signal)) {
          const done = (list: readonly Download[]) => list.filter(({ state }) => state === 'done').length;
          const more = done(downloads) > done(this.#downloads);
          this.#downloads = downloads;
          if (more) this.#apply(await api.models(signal));
        }
      } catch (error) {
        if (isAbort(error)) return;
      }
      await sleep(RECONNECT_MS, signal);
    }
  }
}

function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof ApiUnreachable ? '' : String(error instanceof Error ? error.message : error);
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([other]) => other !== key));
}
