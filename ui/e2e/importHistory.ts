// Creates conversations for tests through the history import endpoint.
import { expect, type APIRequestContext } from '@playwright/test';

import { KEY, type TestApp } from './fixtures';

/** Fields of a message; the rest has defaults. */
export interface MessageFields {
  question: string;
  response: string;
  [field: string]: unknown;
}

/** Messages per import request. */
const BATCH_SIZE = 1000;

/** Imports a conversation of `count` messages with the ids `m0`, `m1` and so on, one minute apart. */
export async function importConversation(app: TestApp, request: APIRequestContext, title: string, count: number, fieldsOf: (index: number) => MessageFields): Promise<void> {
  const startedAt = Date.parse('2024-01-01T00:00:00Z');
  const at = (index: number) => new Date(startedAt + index * 60_000).toISOString();
  const conversation_id = title.replaceAll(/\W+/g, '-').toLowerCase();
  const conversations = [{ id: conversation_id, title, pinned: false, created_at: at(0), updated_at: at(count) }];
  for (let start = 0; start < count; start += BATCH_SIZE) {
    const messages = Array.from({ length: Math.min(BATCH_SIZE, count - start) }, (_, index) => ({
      id: `m${start + index}`,
      conversation_id,
      timestamp: at(start + index),
      language: 'python',
      finish_reason: 'stop',
      success: true,
      ...fieldsOf(start + index),
    }));
    const data = { format: 'hapa-history', version: 1, conversations, messages };
    const answer = await request.post(`${app.api}/api/v1/user/history/import`, { headers: { 'X-API-Key': KEY }, data });
    expect(await answer.json()).toMatchObject({ imported: messages.length, invalid: 0 });
  }
}
