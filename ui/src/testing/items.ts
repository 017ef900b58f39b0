// Items of the API with defaults, for tests.
import type {
  CatalogueItem,
  ConversationItem,
  DetailedHealth,
  Download,
  HistoryItem,
  KeyItem,
  LogLine,
  MetricsPoint,
  ModelItem,
  Validation,
} from '../api/client';

/** An empty memory budget, except for `parts`. */
export function memory(parts: Partial<DetailedHealth['memory']> = {}): DetailedHealth['memory'] {
  const { weights_bytes = 0, conversations_bytes = 0, work_bytes = 0, saved_bytes = 0 } = parts;
  return {
    budget_bytes: 8 * 1024 ** 3,
    used_bytes: weights_bytes + conversations_bytes + work_bytes + saved_bytes,
    weights_bytes,
    conversations_bytes,
    work_bytes,
    saved_bytes,
    saved_now_bytes: 0,
    gpu_bytes: 0,
    ...parts,
  };
}

/** A loaded model with both roles, entirely on the CPU. */
export function modelItem(id: string, change: Partial<ModelItem> = {}): ModelItem {
  const explanation = '24 of 24 layers on the processor';
  const fit = { fits: true, memory_bytes: 1024 ** 3, layers: 24, gpu_layers: 0, context: 16_384, explanation };
  return { id, state: 'ready', roles: ['chat', 'completion'], size_bytes: 1024 ** 3, fit, ...change };
}

/** A code check without findings, except for `found`. */
export function validation(found: Partial<Validation> = {}): Validation {
  return {
    is_valid: true,
    code_quality_score: 10,
    execution_safety: 'safe',
    not_checked: [],
    omitted: 0,
    syntax_errors: [],
    security_issues: [],
    performance_warnings: [],
    style_issues: [],
    recommendations: [],
    ...found,
  };
}

/** Metrics of an idle interval that ends at a time. */
export function point(at: number, change: Partial<MetricsPoint> = {}): MetricsPoint {
  const memory = { memory: 4 * 1024 ** 3, memory_total: 16 * 1024 ** 3, process_memory: 1024 ** 3, gpu: null, gpu_memory: null };
  const budget = { budget_used: 1024 ** 3, budget_limit: 8 * 1024 ** 3 };
  const queue = { queue_completion: 0, queue_chat: 0, queue_background: 0, active: 0 };
  const answers = { tokens_per_second: null, time_to_first_token: null, reused_tokens: 0, prompt_tokens: 0, completion_tokens: 0 };
  return { at, cpu: 10, ...memory, ...budget, ...queue, ...answers, requests: 0, errors: 0, cache_hits: 0, cache_misses: 0, ...change };
}

/** A log line. */
export function logLine(cursor: number, change: Partial<LogLine> = {}): LogLine {
  return { cursor, time: '2026-11-26T05:00:00Z', level: 'INFO', target: 'sidecar::http', message: `line ${cursor}`, fields: {}, ...change };
}

/** An API key. */
export function keyItem(id: string, change: Partial<KeyItem> = {}): KeyItem {
  const times = { created_at: '2024-12-28T10:00:00Z', expires_at: '2025-03-28T10:00:00Z', expired: false };
  return { id, name: id, hint: 'hapa_1a2b3c…', kind: 'made', user: 'me', permissions: ['code_generation'], ...times, ...change };
}

/** A model of the catalogue that fits. */
export function catalogueItem(name: string, change: Partial<CatalogueItem> = {}): CatalogueItem {
  const [id, file] = [name.toLowerCase(), `${name.toLowerCase()}.gguf`];
  const { fit } = modelItem(id);
  const common = { id, name, repository: `Qwen/${name}`, file, size_bytes: 1024 ** 3, license: 'apache-2.0', free: true };
  return { ...common, fit: fit as CatalogueItem['fit'], installed: false, suggested: false, ...change };
}

/** A download in progress. */
export function download(id: string, change: Partial<Download> = {}): Download {
  const bytes = { received_bytes: 512 * 1024 ** 2, total_bytes: 1024 ** 3, bytes_per_second: 8 * 1024 ** 2 };
  return { id, repository: 'Qwen/Model', file: `${id}.gguf`, revision: 'main', state: 'downloading', ...bytes, ...change };
}

/** A conversation of the list. */
export function conversation(id: string, title = id): ConversationItem {
  return { id, title, created_at: '2024-12-28T10:00:00Z', updated_at: '2024-12-28T10:00:00Z', message_count: 1, pinned: false };
}

/** A message of the history. */
export function historyItem(id: string, change: Partial<HistoryItem> = {}): HistoryItem {
  return {
    id,
    question: `question ${id}`,
    response: `answer ${id}`,
    timestamp: '2024-12-28T10:00:00Z',
    success: true,
    duration: 1,
    tokens: 10,
    language: 'python',
    conversation_id: 'c',
    rating: null,
    model_used: 'scripted',
    backend: 'local',
    tokens_per_second: 12,
    finish_reason: 'stop',
    dropped_messages: 0,
    generated_code: '',
    explanation: '',
    files: [],
    model_type: 'code_generation',
    versions: [id],
    replaced: false,
    ...change,
  };
}
