import { expect, test } from 'vitest';

import { parseSse } from './sse';

const encoder = new TextEncoder();
const never = new AbortController().signal;

function streamOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

async function read(...chunks: (string | Uint8Array)[]): Promise<string[]> {
  const bytes = chunks.map((chunk) => (typeof chunk === 'string' ? encoder.encode(chunk) : chunk));
  const found: string[] = [];
  for await (const data of parseSse(streamOf(...bytes), never)) found.push(data);
  return found;
}

test('each frame is one event', async () => {
  expect(await read('data: {"a":1}\n\ndata: {"b":2}\n\n')).toEqual(['{"a":1}', '{"b":2}']);
});

test('frames may be cut anywhere, also inside a character', async () => {
  const bytes = encoder.encode('data: "중복을 🧹"\n\ndata: "둘"\n\n');
  for (let at = 0; at <= bytes.length; at += 1) {
    expect(await read(bytes.slice(0, at), bytes.slice(at)), `cut at ${at}`).toEqual(['"중복을 🧹"', '"둘"']);
  }
  expect(await read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(['"중복을 🧹"', '"둘"']);
});

test('all three line endings are understood, also when cut between CR and LF', async () => {
  expect(await read('data: 1\r', '\n\r', '\ndata: 2\r\rdata: 3\n\n')).toEqual(['1', '2', '3']);
});

test('comments and other fields yield no events', async () => {
  expect(await read(': hello\n\nevent: x\nid: 7\n\nevent: y\ndata: 1\n\n')).toEqual(['1']);
});

test('several data lines are one event', async () => {
  expect(await read('data: one\ndata:two\ndata\n\n')).toEqual(['one\ntwo\n']);
});

test('an unfinished event is dropped', async () => {
  expect(await read('data: 1\n\ndata: 2\n')).toEqual(['1']);
});

test('leaving the loop cancels the stream', async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(encoder.encode('data: 1\n\n')),
    cancel: () => void (cancelled = true),
  });
  for await (const data of parseSse(endless, never)) {
    expect(data).toBe('1');
    break;
  }
  expect(cancelled).toBe(true);
});

test('an abort ends reading even if the stream does not react to it', async () => {
  const stop = new AbortController();
  const silent = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(encoder.encode('data: 1\n\n')) });
  const reading = (async () => {
    for await (const data of parseSse(silent, stop.signal)) {
      expect(data).toBe('1');
      stop.abort();
    }
  })();
  await expect(reading).rejects.toThrow('abort');
});
