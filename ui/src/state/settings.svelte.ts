// Settings: server settings, profile, API keys, and the remote server. Changes apply at once.
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
import { attempt } from '../lib/attempt';
import type { Sidecar } from './sidecar.svelte';

export type { CreatedKey, ImportResult, KeyItem, Permission, Profile, SettingsValues, StorageUsage };

/** Timeout of a command, in milliseconds; testing the remote server may take longer. */
const TIMEOUT_MS = 10_000;
const REMOTE_TEST_TIMEOUT_MS = 60_000;

/** The section of the view that was changed. */
export type Section = 'profile' | 'models' | 'remote' | 'server' | 'keys' | 'limits' | 'privacy' | 'data';

export const settingsPages = ['choices', 'logs', 'doctor'] as const;
export type SettingsPage = (typeof settingsPages)[number];

/** The result of the last change. */
export interface Outcome {
  section: Section;
  state: 'saving' | 'saved' | 'failed';
  /** The error, if it failed, and the API's message for it. */
  error?: Error;
  message?: string;
}

/** The settings, and the commands that change them. */
export class Settings {
  readonly #sidecar: Pick<Sidecar, 'api'>;
  values = $state.raw<SettingsValues>();
  /** Settings fixed by the environment, each with its variable. */
  fromEnvironment = $state.raw<Readonly<Record<string, string>>>({});
  /** Settings that take effect after a restart. */
  restartRequired = $state.raw<readonly string[]>([]);
  profile = $state.raw<Profile>();
  keys = $state.raw<readonly KeyItem[]>([]);
  remote = $state.raw<Remote>();
  /** Disk usage of the data folder; undefined if unknown. */
  storage = $state.raw<StorageUsage>();
  /** The result of the last history import. */
  importResult = $state.raw<ImportResult>();
  /** The API key that was created last, shown until it is dismissed. */
  createdKey = $state.raw<CreatedKey>();
  outcome = $state.raw<Outcome>();
  /** The current page of the view. */
  page = $state<SettingsPage>('choices');
  /** The section to scroll to, until that is done. */
  scrollTarget = $state<string>();
  /** The error of the last load, if it failed. */
  error = $state.raw<Error>();

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
  }

  /** Whether loading failed. */
  get failed(): boolean {
    return this.error !== undefined;
  }

  /** Scrolls to a section. */
  scrollTo(section: string): void {
    this.page = 'choices';
    this.scrollTarget = section;
  }

  /** Loads everything. */
  async load(): Promise<void> {
    this.error = await attempt(async () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const api = await this.#sidecar.api(signal);
      const [settings, profile, { keys }, remote] = await Promise.all([
        api.settings(signal),
        api.profile(signal),
        api.keys(signal),
        api.remote(signal),
      ]);
      this.#apply(settings);
      [this.profile, this.keys, this.remote] = [profile, keys, remote];
    });
  }

  /** Changes settings. */
  change(section: Section, patch: SettingsPatch): Promise<void> {
    return this.#run(section, async (api, signal) => {
      this.#apply(await api.changeSettings(patch, signal));
      if (section === 'remote') this.remote = await api.remote(signal);
    });
  }

  /** Changes fields of the profile. */
  changeProfile(fields: ProfileFields): Promise<void> {
    return this.#run('profile', async (api, signal) => {
      this.profile = await api.saveProfile({ ...this.profile, ...fields }, signal);
    });
  }

  /** Creates an API key, whose secret is shown once. */
  createKey(name: string, permissions: Permission[], days: number): Promise<void> {
    return this.#run('keys', async (api, signal) => {
      this.createdKey = await api.createKey({ name, permissions, expires_in_days: days }, signal);
      this.keys = (await api.keys(signal)).keys;
    });
  }

  /** Revokes an API key; takes effect immediately. */
  revokeKey(id: string): Promise<void> {
    return this.#run('keys', async (api, signal) => {
      await api.revokeKey(id, signal);
      if (this.createdKey?.id === id) this.createdKey = undefined;
      this.keys = (await api.keys(signal)).keys;
    });
  }

  /** Stores or deletes the remote server's API key. */
  setRemoteKey(key: string | undefined): Promise<void> {
    return this.#run('remote', async (api, signal) => {
      this.remote = await (key === undefined ? api.removeRemoteKey(signal) : api.saveRemoteKey(key, signal));
    });
  }

  /** Tests the connection to the remote server, and lists its models. */
  testRemote(): Promise<void> {
    return this.#run('remote', async (api, signal) => void (this.remote = await api.testRemote(signal)), REMOTE_TEST_TIMEOUT_MS);
  }

  /** Deletes the whole history. */
  deleteAllHistory(): Promise<void> {
    return this.#run('privacy', (api, signal) => api.deleteHistory(signal));
  }

  /** Loads the disk usage. */
  async loadStorage(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      this.storage = await (await this.#sidecar.api(signal)).storage(signal);
    } catch {
      this.storage = undefined;
    }
  }

  /** Passes the history as a file's text to `save`, which returns whether the user saved it; `failure` is the message if saving fails. */
  async exportHistory(format: 'json' | 'markdown', save: (content: string) => Promise<boolean>, failure: string): Promise<void> {
    let isSaved = true;
    await this.#run('data', async (api, signal) => {
      const content = await api.exportHistory({ format }, signal);
      isSaved = await save(content).catch(() => {
        throw new ApiError({ error_message: failure, error_code: 'UNKNOWN' });
      });
    }, TRANSFER_TIMEOUT_MS);
    if (!isSaved) this.outcome = undefined;
  }

  /** Imports a history file; `notOurs` is the message for another kind of file. */
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

  async #run(section: Section, command: (api: Api, signal: AbortSignal) => Promise<unknown>, timeout = TIMEOUT_MS): Promise<void> {
    this.outcome = { section, state: 'saving' };
    const error = await attempt(async () => {
      const signal = AbortSignal.timeout(timeout);
      await command(await this.#sidecar.api(signal), signal);
    });
    this.outcome = error ? { section, state: 'failed', error, message: error instanceof ApiError ? error.message : '' } : { section, state: 'saved' };
  }
}

type SettingsResponse = Awaited<ReturnType<Api['settings']>>;

/** Parses a history file; undefined for another kind of file. */
function parseHistory(text: string): HistoryFile | undefined {
  try {
    const file = JSON.parse(text) as Partial<HistoryFile> | null;
    return Array.isArray(file?.messages) ? (file as HistoryFile) : undefined;
  } catch {
    return undefined;
  }
}
