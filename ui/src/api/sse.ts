// Server-sent events from a byte stream.
import { createParser } from 'eventsource-parser';

/**
 * Yields the data of each event until the stream ends; an event without its final blank line is dropped.
 * Throws the reason of `signal` when it is aborted, even if the stream itself does not react to it.
 */
export async function* parseSse(stream: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const reader = stream.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', cancel, { once: true });
  const decoder = new TextDecoder();
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => void events.push(data) });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* events.splice(0);
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    // Also reached when the caller stops iterating: the request is cancelled then.
    await reader.cancel().catch(() => undefined);
  }
}
