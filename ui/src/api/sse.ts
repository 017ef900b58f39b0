// Server-sent events out of a stream of bytes, wherever the bytes were cut.

/**
 * Yields the data of each event. Ends with the stream; what was not ended by an empty line is no event.
 * Throws the reason of `signal` when it is aborted, also where the stream itself does not hear of it.
 */
export async function* parseSse(stream: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const reader = stream.getReader();
  const hangUp = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', hangUp, { once: true });
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      // A character or a line ending may be in two chunks: the decoder keeps the one, a trailing CR waits for the other.
      const text = rest + decoder.decode(value, { stream: true });
      const held = text.endsWith('\r') ? '\r' : '';
      const frames = text.slice(0, text.length - held.length).replaceAll('\r\n', '\n').replaceAll('\r', '\n').split('\n\n');
      rest = (frames.pop() ?? '') + held;
      for (const frame of frames) {
        const data = dataOf(frame);
        if (data !== undefined) yield data;
      }
    }
  } finally {
    signal.removeEventListener('abort', hangUp);
    // Reached by `return` and `throw` too: whoever stops listening also hangs up.
    await reader.cancel().catch(() => undefined);
  }
}

/** The joined `data:` lines of one event; undefined where there are none, as in a comment. */
function dataOf(frame: string): string | undefined {
  const lines = frame
    .split('\n')
    .filter((line) => line === 'data' || line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).replace(/^ /, ''));
  return lines.length > 0 ? lines.join('\n') : undefined;
}
