// Models: installed ones, downloads, the catalogue, and the hub search.
import { type Api, type CatalogueItem, type Download, type HubFile, type HubItem, type ModelItem, type Role } from '../api/client';
import { ApiUnreachable } from '../api/errors';
import { attempt } from '../lib/attempt';
import { poll, sleep } from '../lib/poll';
import type { Sidecar } from './sidecar.svelte';

export type { CatalogueItem, Download, HubFile, HubItem, ModelItem, Role };

/** Poll intervals in milliseconds: while a model loads, and otherwise. */
const LOADING_POLL_MS = 500;
const IDLE_POLL_MS = 4000;
/** Timeout of a command, and delay before reconnecting, in milliseconds. */
const TIMEOUT_MS = 10_000;
const RECONNECT_MS = 1000;

/** The result of a checksum verification. */
export type VerifyResult = 'checking' | 'whole' | 'damaged' | 'unknown';

/** A hub search and its results. */
export interface HubSearch {
  text: string;
  state: 'searching' | 'found' | 'failed';
  message?: string;
  repositories: readonly HubItem[];
}

/** The files of a repository. */
export type RepositoryFiles = { state: 'loading' } | { state: 'loaded'; host: string; files: readonly HubFile[] } | { state: 'failed'; message: string };

/** Models while they are polled, and the commands on them. */
export class Models {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #installed = $state.raw<readonly ModelItem[]>();
  #catalogue = $state.raw<readonly CatalogueItem[]>([]);
  #downloads = $state.raw<readonly Download[]>([]);
  #pollError = $state.raw<Error>();
  #commandError = $state.raw<Error>();
  #search = $state.raw<HubSearch>();
  #files = $state.raw<Readonly<Record<string, RepositoryFiles>>>({});
  #verifyResults = $state.raw<Readonly<Record<string, VerifyResult>>>({});
  #polling: AbortController | undefined;
  #searching: AbortController | undefined;

  readonly #onchange: () => void;
  /** Ids and states of the chat models, as last seen. */
  #chatModels = '';
  /** Number of active {@link startPolling} calls. */
  #pollers = 0;

  /** `onchange` is called when the chat model or its state changes. */
  constructor(sidecar: Pick<Sidecar, 'api'>, onchange: () => void) {
    this.#sidecar = sidecar;
    this.#onchange = onchange;
  }

  /** Installed models, assigned ones first; undefined until loaded. */
  get installed(): readonly ModelItem[] | undefined {
    return this.#installed;
  }

  /** The catalogue, smallest first. */
  get catalogue(): readonly CatalogueItem[] {
    return this.#catalogue;
  }

  /** Current and recent downloads. */
  get downloads(): readonly Download[] {
    return this.#downloads;
  }

  /** The download in progress or paused. */
  get activeDownload(): Download | undefined {
    return this.#downloads.find(({ state }) => state !== 'done' && state !== 'failed');
  }

  /** The recommended model for this machine. */
  get recommended(): CatalogueItem | undefined {
    return this.#catalogue.find((entry) => entry.suggested);
  }

  /** Whether the last poll failed. */
  get failed(): boolean {
    return this.#pollError !== undefined;
  }

  /** The current poll interval, in milliseconds. */
  get pollInterval(): number {
    return this.#installed?.some((model) => model.state === 'loading') ? LOADING_POLL_MS : IDLE_POLL_MS;
  }

  /** The error of the last command. */
  get lastError(): string | undefined {
    return this.#commandError && messageOf(this.#commandError);
  }

  /** The latest hub search. */
  get search(): HubSearch | undefined {
    return this.#search;
  }

  /** The files of a repository, if they were requested. */
  files(repository: string): RepositoryFiles | undefined {
    return this.#files[repository];
  }

  /** The result of a model's verification, if there was one. */
  verifyResult(id: string): VerifyResult | undefined {
    return this.#verifyResults[id];
  }

  /** Polls until {@link stopPolling} was called as often. */
  startPolling(): void {
    this.#pollers += 1;
    if (this.#pollers > 1) return;
    const { signal } = (this.#polling = new AbortController());
    void poll({
      signal,
      interval: () => this.pollInterval,
      fetch: async (signal) => (await this.#sidecar.api(signal)).models(signal),
      apply: (response) => this.#apply(response),
      onerror: (error) => (this.#pollError = error),
    });
    void poll({
      signal,
      interval: () => RECONNECT_MS,
      fetch: (signal) => this.#followDownloads(signal),
      apply: () => undefined,
      onerror: () => undefined,
    });
  }

  /** Stops polling. */
  stopPolling(): void {
    this.#pollers -= 1;
    if (this.#pollers === 0) this.#polling?.abort();
  }

  /** Refreshes once. */
  refresh(): Promise<void> {
    return this.#run(async (api, signal) => this.#apply(await api.models(signal)));
  }

  /** Dismisses the last error. */
  dismissError(): void {
    this.#commandError = undefined;
  }

  /** Starts a download. */
  download(repository: string, file: string): Promise<void> {
    return this.#run((api, signal) => api.download({ repository, file }, signal));
  }

  /** Pauses or resumes a download. */
  pauseDownload(id: string, paused: boolean): Promise<void> {
    return this.#run((api, signal) => api.pauseDownload(id, paused, signal));
  }

  /** Cancels a download, or removes a finished one from the list. */
  cancelDownload(id: string): Promise<void> {
    return this.#run((api, signal) => api.cancelDownload(id, signal));
  }

  /** Assigns a model to a role and loads it. */
  load(id: string, role: Role): Promise<void> {
    return this.#run(async (api, signal) => this.#apply(await api.loadModel(id, role, signal)));
  }

  /** Unloads a model from memory. */
  unload(id: string): Promise<void> {
    return this.#run(async (api, signal) => this.#apply(await api.unloadModel(id, signal)));
  }

  /** Deletes a model's file. A loaded model is unloaded first. */
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

  /** Verifies a model's checksum. */
  async verify(id: string): Promise<void> {
    const setResult = (result?: VerifyResult) => (this.#verifyResults = result ? { ...this.#verifyResults, [id]: result } : without(this.#verifyResults, id));
    setResult('checking');
    const error = await attempt(async () => {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      const { matches } = await api.verifyModel(id);
      setResult(matches === undefined || matches === null ? 'unknown' : matches ? 'whole' : 'damaged');
    });
    if (!error) return;
    setResult();
    this.#commandError = error;
  }

  /** Searches the hub. A newer search cancels an older one. */
  async searchHub(text: string): Promise<void> {
    this.#searching?.abort();
    const { signal } = (this.#searching = new AbortController());
    this.#search = { text, state: 'searching', repositories: [] };
    const error = await attempt(async () => {
      const api = await this.#sidecar.api(signal);
      const { repositories } = await api.searchHub(text, signal);
      if (!signal.aborted) this.#search = { text, state: 'found', repositories };
    });
    if (error && !signal.aborted) this.#search = { text, state: 'failed', message: messageOf(error), repositories: [] };
  }

  /** Loads the files of a repository, or hides them. */
  async toggleFiles(repository: string): Promise<void> {
    const known = this.#files[repository];
    if (known && known.state !== 'failed') {
      this.#files = without(this.#files, repository);
      return;
    }
    const set = (files: RepositoryFiles) => (this.#files = { ...this.#files, [repository]: files });
    set({ state: 'loading' });
    const error = await attempt(async () => {
      const api = await this.#sidecar.api(AbortSignal.timeout(TIMEOUT_MS));
      const { host, files } = await api.hubFiles(repository);
      set({ state: 'loaded', host, files });
    });
    if (error) set({ state: 'failed', message: messageOf(error) });
  }

  #apply({ models, catalogue }: { models: readonly ModelItem[]; catalogue: readonly CatalogueItem[] }): void {
    this.#installed = models;
    this.#catalogue = catalogue;
    this.#pollError = undefined;
    const chatModels = models.filter(({ roles }) => roles.includes('chat')).map(({ id, state }) => `${id} ${state}`).join();
    if (chatModels === this.#chatModels) return;
    this.#chatModels = chatModels;
    this.#onchange();
  }

  async #run(command: (api: Api, signal: AbortSignal) => Promise<unknown>): Promise<void> {
    this.#commandError = undefined;
    this.#commandError = await attempt(async () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      await command(await this.#sidecar.api(signal), signal);
    });
  }

  /** Reads the stream of downloads to its end. When a download finishes, the models are refreshed. */
  async #followDownloads(signal: AbortSignal): Promise<void> {
    const api = await this.#sidecar.api(signal);
    for await (const { downloads } of api.downloads(signal)) {
      const finishedCount = (list: readonly Download[]) => list.filter(({ state }) => state === 'done').length;
      const hasFinished = finishedCount(downloads) > finishedCount(this.#downloads);
      this.#downloads = downloads;
      if (hasFinished) this.#apply(await api.models(signal));
    }
  }
}

/** The message to show; empty if the API did not respond, for which the view has a text. */
function messageOf(error: Error): string {
  return error instanceof ApiUnreachable ? '' : error.message;
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([other]) => other !== key));
}
