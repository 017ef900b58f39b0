// Sending a large file with news of how far it is, which `fetch` cannot tell.
import { ApiUnreachable } from './errors';

/** Where a file goes, and how. */
export interface Upload {
  url: string;
  headers: Record<string, string>;
  file: File;
  /** Hears how many bytes have gone out. */
  onprogress: (sent: number) => void;
  signal: AbortSignal;
}

/** PUTs a file. Aborting `signal` hangs up; throws {@link ApiUnreachable} where the line fails. */
export function upload({ url, headers, file, onprogress, signal }: Upload): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const hangUp = () => request.abort();
    const over = (end: () => void) => () => {
      signal.removeEventListener('abort', hangUp);
      end();
    };
    request.open('PUT', url);
    for (const [name, value] of Object.entries({ 'Content-Type': 'application/octet-stream', ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onprogress(loaded);
    request.onload = over(() => resolve(new Response(request.responseText || null, { status: request.status })));
    request.onerror = over(() => reject(new ApiUnreachable()));
    request.onabort = over(() => reject(new DOMException('stopped', 'AbortError')));
    signal.addEventListener('abort', hangUp, { once: true });
    if (signal.aborted) return reject(new DOMException('stopped', 'AbortError'));
    request.send(file);
  });
}
