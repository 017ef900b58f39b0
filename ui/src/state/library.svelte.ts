// The models: those that are here, those on their way, and those that can be had.
import { isAbort, type Api, type CatalogueItem, type Download, type HubFile, type HubItem, type ModelItem, type Role } from '../api/client';
import { Problem, Unreachable } from '../api/problem';
import { pause } from './model.svelte';
import type { Sidecar } from './sidecar.svelte';

export type { CatalogueItem, Download, HubFile, HubItem, ModelItem, Role };

/** How often is looked, in milliseconds: while a model loads, and while none does. */
const WHILE_LOADING = 500;
const OTHERWISE = 4000;
/** How long an order may take, and how long to wait after the line broke. */
const PATIENCE = 10_000;
const AFTER_BREAK = 1000;

/** What a check of a file has shown. */
export type Verdict = 'checking' | 'whole' | 'damaged' | 'unknown';

/** What is known of a search. */
export interface Search {
  text: string;
  state: 'searching' | 'found' | 'failed';
  message?: string;
  repositories: readonly HubItem[];
}

/** The files of a repository, as far as they are known. */
export type Files = { state: 'reading' } | { state: 'read'; host: string; files: readonly HubFile[] } | { state: 'failed'; message: string };

/** What the API tells about models for as long as somebody looks, and what can be done with them. */
export class Library {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  #models = $state.raw<readonly ModelItem[]>();
  #catalogue = $state.raw<readonly CatalogueItem[]>([]);
  #downloads = $state.raw<readonly Download[]>([]);
  #failed = $state(false);
  #trouble = $state<string>();
  #search = $state.raw<Search>();
  #files = $state.raw<Readonly<Record<string, Files>>>({});
  #verdicts = $state.raw<Readonly<Record<string, Verdict>>>({});
  #watching: AbortController | undefined;
  #searching: AbortController | undefined;

  readonly #onchange: () => void;
  /** What chats and how that is, when it was last seen. */
  #chatting = '';
  /** How many look. */
  #watchers = 0;

  /** `onchange` is called when another model chats, or the one that does has changed. */
  constructor(sidecar: Pick<Sidecar, 'api'>, onchange: () => void) {
    this.#sidecar = sidecar;
    this.#onchange = onchange;
  }

  /** The models that are here, those that were chosen first; undefined until the API has told. */
  get models(): readonly ModelItem[] | undefined {
    return this.#models;
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
  get coming(): Download | undefined {
    return this.#downloads.find(({ state }) => state !== 'done' && state !== 'failed');
  }

  /** The model that suits this machine best, of those worth a download. */
  get suggested(): CatalogueItem | undefined {
    return this.#catalogue.find((entry) => entry.suggested);
  }

  /** Whether the API did not tell when it was last asked. */
  get failed(): boolean {
    return this.#failed;
  }

  /** After how long it is worth looking again, in milliseconds. */
  get interval(): number {
    return this.#models?.some((model) => model.state === 'loading') ? WHILE_LOADING : OTHERWISE;
  }

  /** Why the last order was not followed. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** The latest search, if there was one. */
  get search(): Search | undefined {
    return this.#search;
  }

  /** The files of a repository, if they were asked for. */
  files(repository: string): Files | undefined {
    return this.#files[repository];
  }

  /** What a check of a model's file has shown, if there was one. */
  verdict(id: string): Verdict | undefined {
    return this.#verdicts[id];
  }

  /** Looks again and again until {@link rest} was called as often. */
  watch(): void {
    this.#watchers += 1;
    if (this.#watchers > 1) return;
    const { signal } = (this.#watching = new AbortController());
    void this.#lookAgainAndAgain(signal);
    void this.#listen(signal);
  }

  /** Looks no more. */
  rest(): void {
    this.#watchers -= 1;
    if (this.#watchers === 0) this.#watching?.abort();
  }

  /** Looks once, at once. */
  look(): Promise<void> {
    return this.#order(async (api, signal) => this.#take(await api.models(signal)));
  }

  /** Forgets why the last order was not followed. */
  calm(): void {
    this.#trouble = undefined;
  }

  /** Begins to download a model. */
  download(repository: string, file: string): Promise<void> {
    return this.#order((api, signal) => api.download({ repository, file }, signal));
  }

  /** Lets a download wait, or go on. */
  pause(id: string, paused: boolean): Promise<void> {
    return this.#order((api, signal) => api.pauseDownload(id, paused, signal));
  }

  /** Gives up a download, or takes one that is over off the list. */
  giveUp(id: string): Promise<void> {
    return this.#order((api, signal) => api.giveUpDownload(id, signal));
  }

  /** Chooses a model, and loads it. */
  choose(id: string, role: Role): Promise<void> {
    return this.#order(async (api, signal) => this.#take(await api.loadModel(id, role, signal)));
  }

  /** Takes a model out of memory. */
  unload(id: string): Promise<void> {
    return this.#order(async (api, signal) => this.#take(await api.unloadModel(id, signal)));
  }

  /** Removes a model's file. One that is in memory is taken out first. */
  remove(id: string): Promise<void> {
    return this.#order(async (api, signal) => {
      const inMemory = () => ['ready', 'loading'].includes(this.#models?.find((model) => model.id === id)?.state ?? '');
      if (inMemory()) this.#take(await api.unloadModel(id, signal));
      while (inMemory()) {
        await pause(100, signal);
        signal.throwIfAborted();
        this.#take(await api.models(signal));
      }
      this.#take(await api.removeModel(id, signal));
    });
  }

  /** Compares a model's bytes with what they were when it was downloaded. */
  async verify(id: string): Promise<void> {
    const verdict = (verdict?: Verdict) => (this.#verdicts = verdict ? { ...this.#verdicts, [id]: verdict } : without(this.#verdicts, id));
    verdict('checking');
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(PATIENCE));
      const { matches } = await api.verifyModel(id);
      verdict(matches === undefined || matches === null ? 'unknown' : matches ? 'whole' : 'damaged');
    } catch (error) {
      verdict();
      this.#trouble = words(error);
    }
  }

  /** Searches the hub. A newer search ends an older one. */
  async find(text: string): Promise<void> {
    this.#searching?.abort();
    const { signal } = (this.#searching = new AbortController());
    this.#search = { text, state: 'searching', repositories: [] };
    try {
      const api = await this.#sidecar.api(signal);
      const { repositories } = await api.searchHub(text, signal);
      if (!signal.aborted) this.#search = { text, state: 'found', repositories };
    } catch (error) {
      if (!signal.aborted) this.#search = { text, state: 'failed', message: words(error), repositories: [] };
    }
  }

  /** Reads the files of a repository, or puts them away. */
  async toggle(repository: string): Promise<void> {
    const known = this.#files[repository];
    if (known && known.state !== 'failed') {
      this.#files = without(this.#files, repository);
      return;
    }
    const set = (files: Files) => (this.#files = { ...this.#files, [repository]: files });
    set({ state: 'reading' });
    try {
      const api = await this.#sidecar.api(AbortSignal.timeout(PATIENCE));
      const { host, files } = await api.hubFiles(repository);
      set({ state: 'read', host, files });
    } catch (error) {
      set({ state: 'failed', message: words(error) });
    }
  }

  #take({ models, catalogue }: { models: readonly ModelItem[]; catalogue: readonly CatalogueItem[] }): void {
    this.#models = models;
    this.#catalogue = catalogue;
    this.#failed = false;
    const chatting = models.filter(({ roles }) => roles.includes('chat')).map(({ id, state }) => `${id} ${state}`).join();
    if (chatting === this.#chatting) return;
    this.#chatting = chatting;
    this.#onchange();
  }

  async #order(act: (api: Api, signal: AbortSignal) => Promise<unknown>): Promise<void> {
    this.#trouble = undefined;
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      await act(await this.#sidecar.api(signal), signal);
    } catch (error) {
      this.#trouble = words(error);
    }
  }

  async #lookAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const api = await this.#sidecar.api(signal);
        const seen = await api.models(signal);
        if (signal.aborted) return;
        this.#take(seen);
      } catch {
        if (!signal.aborted) this.#failed = true;
      }
      await pause(this.interval, signal);
    }
  }

  /** Follows the list of downloads. When one is done, the models are looked at. */
  async #listen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const api = await this.#sidecar.api(signal);
        for await (const { downloads } of api.downloads(signal)) {
          const done = (list: readonly Download[]) => list.filter(({ state }) => state === 'done').length;
          const more = done(downloads) > done(this.#downloads);
          this.#downloads = downloads;
          if (more) this.#take(await api.models(signal));
        }
      } catch (error) {
        if (isAbort(error)) return;
      }
      await pause(AFTER_BREAK, signal);
    }
  }
}

function words(error: unknown): string {
  if (error instanceof Problem) return error.message;
  return error instanceof Unreachable ? '' : String(error instanceof Error ? error.message : error);
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([other]) => other !== key));
}
