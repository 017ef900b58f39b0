// What can be chosen about HAPA: settings, the profile, keys, and the server elsewhere. What is chosen is in force at once.
import type { Api, KeyItem, MadeKey, Permission, Profile, ProfileFields, Remote, SettingsPatch, SettingsValues } from '../api/client';
import { Problem } from '../api/problem';
import type { Sidecar } from './sidecar.svelte';

export type { KeyItem, MadeKey, Permission, Profile, SettingsValues };

/** How long an order may take; trying a server elsewhere may take longer. */
const PATIENCE = 10_000;
const TRYING = 60_000;

/** The part of the view that something was changed in. */
export type Part = 'profile' | 'models' | 'remote' | 'keys' | 'limits' | 'privacy';

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
  profile = $state.raw<Profile>();
  keys = $state.raw<readonly KeyItem[]>([]);
  remote = $state.raw<Remote>();
  /** The key that was made last, shown until it is put away. */
  made = $state.raw<MadeKey>();
  outcome = $state.raw<Outcome>();
  /** The part that somebody wants to see, until they have. */
  sought = $state<string>();
  /** Whether the API did not tell. */
  failed = $state(false);

  constructor(sidecar: Pick<Sidecar, 'api'>) {
    this.#sidecar = sidecar;
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
      [this.values, this.fixed] = [settings.settings, settings.from_environment];
      [this.profile, this.keys, this.remote, this.failed] = [profile, keys, remote, false];
    } catch {
      this.failed = true;
    }
  }

  /** Changes settings. */
  change(part: Part, patch: SettingsPatch): Promise<void> {
    return this.#do(part, async (api, signal) => {
      const { settings } = await api.changeSettings(patch, signal);
      this.values = settings;
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
