// What can be chosen about HAPA: settings, the profile, keys, and the server elsewhere. What is chosen is in force at once.
import type {
  Api,
  HistoryFile,
  ImportResult,
  KeyItem,
  CreatedKey,
  Permission,
  Profile,
  ProfileFields,
  Remote,
  SettingsPatch,
  SettingsValues,
  StorageUsage,
} from '../api/client';
import { ApiError } from '../api/errors';
import { TRANSFER_TIMEOUT_MS } from './history.svelte';
import type { Sidecar } from './sidecar.svelte';

export type { ImportResult as Imported, KeyItem, CreatedKey as MadeKey, Permission, Profile, SettingsValues, StorageUsage as Stored };

/** How long an order may take, in milliseconds; trying a server elsewhere may take longer. */
const TIMEOUT_MS = 10_000;
const REMOTE_TEST_TIMEOUT_MS = 60_000;

/** The part of the view that something was changed in. */
export type Section = 'profile' | 'models' | 'remote' | 'server' | 'keys' | 'limits' | 'privacy' | 'data';

export const settingsPages = ['choices', 'logs', 'doctor'] as const;
export type SettingsPage = (typeof settingsPages)[number];

/** What came of the last change. */
export interface Outcome {
  part: Section;
  state: 'saving' | 'saved' | 'failed';
  message?: string;
}

/** What the API tells of the choices, and the ways to change them. */
export class Settings {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  values = $state.raw<SettingsValues>();
  /** Settings that the environment decides, each with its variable. */
  fromEnvironment = $state.raw<Readonly<Record<string, string>>>({});
  /** Settings that are in force only after a restart. */
  restartRequired = $state.raw<readonly string[]>([]);
  profile = $state.raw<Profile>();
  keys = $state.raw<readonly KeyItem[]>([]);
  remote = $state.raw<Remote>();
  /** What lies in the data folder; undefined where the API does not tell. */
  storage = $state.raw<StorageUsage>();
  /** What came of the history that was taken in last. */
  importResult = $state.raw<ImportResult>();
  /** The key that was made last, shown until it is put away. */
  createdKey = $state.raw<CreatedKey>();
  outcome = $state.raw<Outcome>();
  /** What of the view is shown. */
  page = $state<SettingsPage>('choices');
  /** The part that somebody wants to see, until they have. */
  scrollTarget = $state<string>();
  /** Whether the API did not tell. */
  failed = $state(false);

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Has a part of the choices shown. */
  scrollTo(part: string): void {
    this.page = 'choices';
    this.scrollTarget = part;
  }

  /** Asks for everything. */
  async load(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#sidecar.api(signal);
      const [settings, profile, { keys }, remote] = await Promise.all([
        api.settings(signal),
        api.profile(signal),
        api.keys(signal),
        api.remote(signal),
      ]);
      this.#apply(settings);
      [this.profile, this.keys, this.remote, this.failed] = [profile, keys, remote, false];
    } catch {
      this.failed = true;
    }
  }

  /** Changes settings. */
  change(part: Section, patch: SettingsPatch): Promise<void> {
    return this.#run(part, async (api, signal) => {
      this.#apply(await api.changeSettings(patch, signal));
      if (part === 'remote') this.remote = await api.remote(signal);
    });
  }

  /** Changes some of the profile. */
  changeProfile(fields: ProfileFields): Promise<void> {
    return this.#run('profile', async (api, signal) => {
      this.profile = await api.saveProfile({ ...this.profile, ...fields }, signal);
    });
  }

  /** Makes a key, which is shown once. */
  createKey(name: string, permissions: Permission[], days: number): Promise<void> {
    return this.#run('keys', async (api, signal) => {
      this.createdKey = await api.createKey({ name, permissions, expires_in_days: days }, signal);
      this.keys = (await api.keys(signal)).keys;
    });
  }

  /** Revokes a key: from now on it opens nothing. */
  revokeKey(id: string): Promise<void> {
    return this.#run('keys', async (api, signal) => {
      await api.revokeKey(id, signal);
      if (this.createdKey?.id === id) this.createdKey = undefined;
      this.keys = (await api.keys(signal)).keys;
    });
  }

  /** Keeps the key of the server elsewhere, or forgets it. */
  setRemoteKey(key: string | undefined): Promise<void> {
    return this.#run('remote', async (api, signal) => {
      this.remote = await (key === undefined ? api.removeRemoteKey(signal) : api.saveRemoteKey(key, signal));
    });
  }

  /** Asks the server elsewhere whether it answers, and with which models. */
  testRemote(): Promise<void> {
    return this.#run('remote', async (api, signal) => void (this.remote = await api.testRemote(signal)), REMOTE_TEST_TIMEOUT_MS);
  }

  /** Deletes everything that was asked and answered. */
  deleteAllHistory(): Promise<void> {
    return this.#run('privacy', (api, signal) => api.deleteHistory(signal));
  }

  /** Looks what lies in the data folder. */
  async loadStorage(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      this.storage = await (await this.#sidecar.api(signal)).storage(signal);
    } catch {
      this.storage = undefined;
    }
  }

  /** Hands all that was asked and answered to `save`, as a file's text; `save` tells whether it was kept, `failure` is said where it cannot be. */
  async exportHistory(format: 'json' | 'markdown', save: (content: string) => Promise<boolean>, failure: string): Promise<void> {
    let isKept = true;
    await this.#run('data', async (api, signal) => {
      const content = await api.exportHistory({ format }, signal);
      isKept = await save(content).catch(() => {
        throw new ApiError({ error_message: failure, error_code: 'UNKNOWN' });
      });
    }, TRANSFER_TIMEOUT_MS);
    if (!isKept) this.outcome = undefined;
  }

  /** Takes in a file of the history; `notOurs` is said of one that is something else. */
  importHistory(file: File, notOurs: string): Promise<void> {
    this.importResult = undefined;
    return this.#run('data', async (api, signal) => {
      const history = parseHistory(await file.text());
      if (!history) throw new ApiError({ error_message: notOurs, error_code: 'VALIDATION_ERROR' });
      this.importResult = await api.importHistory(history, signal);
    }, TRANSFER_TIMEOUT_MS);
  }

  #apply({ settings, from_environment, restart_required }: SettingsResponse): void {
    [this.values, this.fromEnvironment, this.restartRequired] = [settings, from_environment, restart_required];
  }

  async #run(part: Section, act: (api: Api, signal: AbortSignal) => Promise<unknown>, patience = TIMEOUT_MS): Promise<void> {
    this.outcome = { part, state: 'saving' };
    try {
      const signal = AbortSignal.timeout(patience);
      await act(await this.#sidecar.api(signal), signal);
      this.outcome = { part, state: 'saved' };
    } catch (error) {
      this.outcome = { part, state: 'failed', message: error instanceof ApiError ? error.message : '' };
    }
  }
}

type SettingsResponse = Awaited<ReturnType<Api['settings']>>;

/** The history in a file's text, if there is one. */
function parseHistory(text: string): HistoryFile | undefined {
  try {
    const file = JSON.parse(text) as Partial<HistoryFile> | null;
    return Array.isArray(file?.messages) ? (file as HistoryFile) : undefined;
  } catch {
    return undefined;
  }
}
