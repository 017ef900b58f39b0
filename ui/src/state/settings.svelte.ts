// What can be chosen about HAPA: settings, the profile, keys, and the server elsewhere. What is chosen is in force at once.
import type {
  Api,
  HistoryFile,
  Imported,
  KeyItem,
  MadeKey,
  Permission,
  Profile,
  ProfileFields,
  Remote,
  SettingsPatch,
  SettingsValues,
  Stored,
} from '../api/client';
import { Problem } from '../api/problem';
import { WHOLE } from './history.svelte';
import type { Sidecar } from './sidecar.svelte';

export type { Imported, KeyItem, MadeKey, Permission, Profile, SettingsValues, Stored };

/** How long an order may take, in milliseconds; trying a server elsewhere may take longer. */
const PATIENCE = 10_000;
const TRYING = 60_000;

/** The part of the view that something was changed in. */
export type Part = 'profile' | 'models' | 'remote' | 'server' | 'keys' | 'limits' | 'privacy' | 'data';

export const settingsPages = ['choices', 'logs', 'doctor'] as const;
export type SettingsPage = (typeof settingsPages)[number];

/** What came of the last change. */
export interface Outcome {
  part: Part;
  state: 'saving' | 'saved' | 'failed';
  message?: string;
}

/** What the API tells of the choices, and the ways to change them. */
export class Settings {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  values = $state.raw<SettingsValues>();
  /** Settings that the environment decides, each with its variable. */
  fixed = $state.raw<Readonly<Record<string, string>>>({});
  /** Settings that are in force only after a restart. */
  waiting = $state.raw<readonly string[]>([]);
  profile = $state.raw<Profile>();
  keys = $state.raw<readonly KeyItem[]>([]);
  remote = $state.raw<Remote>();
  /** What lies in the data folder; undefined where the API does not tell. */
  stored = $state.raw<Stored>();
  /** What came of the history that was taken in last. */
  imported = $state.raw<Imported>();
  /** The key that was made last, shown until it is put away. */
  made = $state.raw<MadeKey>();
  outcome = $state.raw<Outcome>();
  /** What of the view is shown. */
  page = $state<SettingsPage>('choices');
  /** The part that somebody wants to see, until they have. */
  sought = $state<string>();
  /** Whether the API did not tell. */
  failed = $state(false);

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Has a part of the choices shown. */
  seek(part: string): void {
    this.page = 'choices';
    this.sought = part;
  }

  /** Asks for everything. */
  async load(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const api = await this.#sidecar.api(signal);
      const [settings, profile, { keys }, remote] = await Promise.all([
        api.settings(signal),
        api.profile(signal),
        api.keys(signal),
        api.remote(signal),
      ]);
      this.#take(settings);
      [this.profile, this.keys, this.remote, this.failed] = [profile, keys, remote, false];
    } catch {
      this.failed = true;
    }
  }

  /** Changes settings. */
  change(part: Part, patch: SettingsPatch): Promise<void> {
    return this.#do(part, async (api, signal) => {
      this.#take(await api.changeSettings(patch, signal));
      if (part === 'remote') this.remote = await api.remote(signal);
    });
  }

  /** Changes some of the profile. */
  changeProfile(fields: ProfileFields): Promise<void> {
    return this.#do('profile', async (api, signal) => {
      this.profile = await api.saveProfile({ ...this.profile, ...fields }, signal);
    });
  }

  /** Makes a key, which is shown once. */
  makeKey(name: string, permissions: Permission[], days: number): Promise<void> {
    return this.#do('keys', async (api, signal) => {
      this.made = await api.makeKey({ name, permissions, expires_in_days: days }, signal);
      this.keys = (await api.keys(signal)).keys;
    });
  }

  /** Revokes a key: from now on it opens nothing. */
  revokeKey(id: string): Promise<void> {
    return this.#do('keys', async (api, signal) => {
      await api.revokeKey(id, signal);
      if (this.made?.id === id) this.made = undefined;
      this.keys = (await api.keys(signal)).keys;
    });
  }

  /** Keeps the key of the server elsewhere, or forgets it. */
  setRemoteKey(key: string | undefined): Promise<void> {
    return this.#do('remote', async (api, signal) => {
      this.remote = await (key === undefined ? api.removeRemoteKey(signal) : api.saveRemoteKey(key, signal));
    });
  }

  /** Asks the server elsewhere whether it answers, and with which models. */
  tryRemote(): Promise<void> {
    return this.#do('remote', async (api, signal) => void (this.remote = await api.tryRemote(signal)), TRYING);
  }

  /** Deletes everything that was asked and answered. */
  forgetEverything(): Promise<void> {
    return this.#do('privacy', (api, signal) => api.deleteHistory(signal));
  }

  /** Looks what lies in the data folder. */
  async measure(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      this.stored = await (await this.#sidecar.api(signal)).storage(signal);
    } catch {
      this.stored = undefined;
    }
  }

  /** Hands all that was asked and answered to `save`, as a file's text; `save` tells whether it was kept, `failure` is said where it cannot be. */
  async exportHistory(format: 'json' | 'markdown', save: (content: string) => Promise<boolean>, failure: string): Promise<void> {
    let isKept = true;
    await this.#do('data', async (api, signal) => {
      const content = await api.exportHistory({ format }, signal);
      isKept = await save(content).catch(() => {
        throw new Problem({ error_message: failure, error_code: 'UNKNOWN' });
      });
    }, WHOLE);
    if (!isKept) this.outcome = undefined;
  }

  /** Takes in a file of the history; `notOurs` is said of one that is something else. */
  importHistory(file: File, notOurs: string): Promise<void> {
    this.imported = undefined;
    return this.#do('data', async (api, signal) => {
      const history = historyIn(await file.text());
      if (!history) throw new Problem({ error_message: notOurs, error_code: 'VALIDATION_ERROR' });
      this.imported = await api.importHistory(history, signal);
    }, WHOLE);
  }

  #take({ settings, from_environment, restart_required }: Answered): void {
    [this.values, this.fixed, this.waiting] = [settings, from_environment, restart_required];
  }

  async #do(part: Part, act: (api: Api, signal: AbortSignal) => Promise<unknown>, patience = PATIENCE): Promise<void> {
    this.outcome = { part, state: 'saving' };
    try {
      const signal = AbortSignal.timeout(patience);
      await act(await this.#sidecar.api(signal), signal);
      this.outcome = { part, state: 'saved' };
    } catch (error) {
      this.outcome = { part, state: 'failed', message: error instanceof Problem ? error.message : '' };
    }
  }
}

type Answered = Awaited<ReturnType<Api['settings']>>;

/** The history in a file's text, if there is one. */
function historyIn(text: string): HistoryFile | undefined {
  try {
    const file = JSON.parse(text) as Partial<HistoryFile> | null;
    return Array.isArray(file?.messages) ? (file as HistoryFile) : undefined;
  } catch {
    return undefined;
  }
}
