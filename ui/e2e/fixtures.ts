// Fixtures: the built front end under the desktop app's content security policy, the real sidecar, and a hub with one model.
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { createInterface } from 'node:readline';

import { test as base, type Page } from '@playwright/test';

const UI = join(import.meta.dirname, '..');
export const KEY = `hapa_${'7'.repeat(64)}`;
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** The repository of the small model that the hub serves. */
export const REPOSITORY = 'HuggingFaceTB/SmolLM2-135M-Instruct-GGUF';
export const FILE = 'smollm2-135m-instruct-q4_1.gguf';

/** The scripted model's answers; the last entry answers every other question. */
export const SCRIPT = {
  model: 'scripted',
  answers: [
    { when: 'risky', pieces: ['조심하세요.\n\n```python\n', 'x = input()\n', 'print(eval(x))\n', '```'] },
    { pieces: ['순서를 지키며 ', '중복을 제거합니다.\n\n', '```python\n', 'def unique(items):\n', '    return list(dict.fromkeys(items))\n', '```'] },
  ],
};

/** The hub's file storage, which a test can pause. */
export interface Storage {
  /** Stops file transfers in the middle until {@link resume}. */
  pause(): void;
  /** Lets file transfers finish. */
  resume(): void;
  /** Whether the hub has files at all; it answers 404 otherwise. */
  isAvailable: boolean;
}

/** The application under test. */
export interface TestApp {
  /** The API's current base URL. */
  readonly api: string;
  /** The URL fragment that gives a page the API's address and key. */
  readonly fragment: string;
  storage: Storage;
  /** Opens the window, or another page, in a language and theme other than the system's. */
  open(page: Page, look?: { language?: 'ko' | 'en'; theme?: 'light' | 'dark' }, file?: string): Promise<void>;
  /** Kills the sidecar; `restart` starts another one on the same data and another port. */
  crash(): Promise<void>;
  restart(): Promise<void>;
}

interface Options {
  /** The script that replaces the model; null for a sidecar without one. */
  script: object | null;
  /** The model file for a sidecar without a script; empty for none. */
  model: string;
  /** Names of models that are installed from the start; each is a copy of the small one. */
  models: readonly string[];
  /** What the hub returns for every search. */
  hub: { repositories: object[] };
}

export const test = base.extend<Options & { app: TestApp }>({
  script: [SCRIPT, { option: true }],
  model: [process.env['HAPA_MODEL'] ?? '', { option: true }],
  models: [[], { option: true }],
  hub: [{ repositories: [{ id: REPOSITORY, downloads: 4321, likes: 7, tags: ['gguf', 'license:apache-2.0'], gated: false }] }, { option: true }],
  app: async ({ script, model, models, hub: { repositories } }, use) => {
    const page = await listen(serveFrontEnd);
    const storage = new PausableStorage();
    const hub = await listen((request, response) => void serveHub(repositories, request, response, storage));
    const data = mkdtempSync(join(tmpdir(), 'hapa-'));
    if (models.length > 0) mkdirSync(join(data, 'models'));
    for (const name of models) copyFileSync(MODEL, join(data, 'models', `${name}.gguf`));
    const start = () => startSidecar(origin(page), origin(hub), { script, model }, data);
    let sidecar = await start();
    const fragment = () => `#base=${sidecar.address}&key=${KEY}`;
    await use({
      get api() {
        return sidecar.address;
      },
      get fragment() {
        return fragment();
      },
      storage,
      async open(tab, look = {}, file = '') {
        await tab.addInitScript((look) => {
          for (const [name, value] of Object.entries(look)) if (!localStorage.getItem(`hapa.${name}`)) localStorage.setItem(`hapa.${name}`, value);
        }, look);
        await tab.goto(`${origin(page)}/${file}${fragment()}`);
      },
      crash: () => sidecar.crash(),
      async restart() {
        sidecar = await start();
      },
    });
    await sidecar.end();
    rmSync(data, { recursive: true, force: true });
    storage.resume();
    page.close();
    hub.close();
  },
});

export { expect } from '@playwright/test';

async function listen(serve: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function origin(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The content security policy of the desktop app. */
function policy(): string {
  const config = JSON.parse(readFileSync(join(UI, '../src-tauri/tauri.conf.json'), 'utf8')) as { app: { security: { csp: Record<string, string> } } };
  return Object.entries(config.app.security.csp).map(([name, sources]) => `${name} ${sources}`).join('; ');
}

function serveFrontEnd(request: IncomingMessage, response: ServerResponse): void {
  const path = normalize(new URL(request.url ?? '/', 'http://here').pathname);
  const file = join(UI, 'dist', path === '/' ? 'index.html' : path);
  if (!existsSync(file)) return void response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': policy() });
  createReadStream(file).pipe(response);
}

/** The small model's file. */
const MODEL = process.env['HAPA_TEST_MODEL'] ?? '';
let hash: string | undefined;

class PausableStorage implements Storage {
  isAvailable = true;
  #paused: Promise<void> | undefined;
  #release: (() => void) | undefined;

  pause(): void {
    this.#paused = new Promise((resolve) => (this.#release = resolve));
  }

  resume(): void {
    this.#release?.();
    this.#paused = undefined;
  }

  /** Sends the bytes of a file from `start`, waiting in the middle while paused. */
  async send(file: string, start: number, response: ServerResponse): Promise<void> {
    const paused = this.#paused;
    const middle = Math.max(start, Math.floor(statSync(file).size / 2));
    if (paused) {
      for await (const bytes of createReadStream(file, { start, end: middle })) response.write(bytes);
      await paused;
    }
    createReadStream(file, { start: paused ? middle + 1 : start }).pipe(response);
  }
}

async function serveHub(
  repositories: object[],
  request: IncomingMessage,
  response: ServerResponse,
  storage: PausableStorage,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://hub');
  const size = statSync(MODEL).size;
  hash ??= createHash('sha256').update(readFileSync(MODEL)).digest('hex');
  const json = (body: unknown) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  if (url.pathname === '/api/models') return void json(repositories);
  if (url.pathname.endsWith('/tree/main')) return void json([{ type: 'file', path: FILE, size, lfs: { oid: hash, size } }]);
  if (!storage.isAvailable) return void response.writeHead(404).end();
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const range = start > 0 ? { 'Content-Range': `bytes ${start}-${size - 1}/${size}` } : {};
  response.writeHead(start > 0 ? 206 : 200, { 'Content-Length': size - start, ETag: `"${hash}"`, ...range });
  await storage.send(MODEL, start, response);
}

/** Starts the sidecar as the desktop app does. */
async function startSidecar(page: string, hub: string, { script, model }: Pick<Options, 'script' | 'model'>, data: string) {
  const program = process.env['HAPA_TEST_PROGRAM'];
  if (!program) throw new Error('`cargo xtask test` names the sidecar in HAPA_TEST_PROGRAM');
  const env: NodeJS.ProcessEnv = { PATH: process.env['PATH'], HAPA_DATA_DIR: data, HAPA_KEYCHAIN: 'false', HF_ENDPOINT: hub };
  env['CORS_ORIGINS'] = JSON.stringify([page]);
  if (!script && model) env['HAPA_MODEL'] = model;
  if (script) {
    env['HAPA_SCRIPT'] = join(data, 'script.json');
    writeFileSync(env['HAPA_SCRIPT'], JSON.stringify(script));
  }
  const child: ChildProcess = spawn(program, ['serve', '--supervised'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.stdin?.write(`${JSON.stringify({ launch: { key: KEY } })}\n`);
  if (!child.stdout) throw new Error('stdout is a pipe');
  for await (const line of createInterface(child.stdout)) {
    const { ready } = JSON.parse(line) as { ready: { port: number } };
    return {
      address: `http://127.0.0.1:${ready.port}`,
      async end() {
        child.stdin?.end();
        await ended;
      },
      async crash() {
        child.kill('SIGKILL');
        await ended;
      },
    };
  }
  throw new Error('the sidecar ended before it was ready');
}
