// File upload with progress events, which `fetch` does not offer.
import { ApiUnreachable } from './errors';

/** An upload's destination and callbacks. */
export interface Upload {
  url: string;
  headers: Record<string, string>;
  file: File;
  /** Receives the bytes sent so far. */
  onprogress: (sent: number) => void;
  signal: AbortSignal;
}

/** PUTs a file. Aborting `signal` cancels the upload; throws {@link ApiUnreachable} if the connection fails. */
export function upload({ url, headers, file, onprogress, signal }: Upload): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const cancel = () => request.abort();
    const finish = (end: () => void) => () => {
      signal.removeEventListener('abort', cancel);
      end();
    };
    request.open('PUT', url);
    for (const [name, value] of Object.entries({ 'Content-Type': 'application/octet-stream', ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onprogress(loaded);
    request.onload = finish(() => resolve(new Response(request.responseText || null, { status: request.status })));
    request.onerror = finish(() => reject(new ApiUnreachable()));
    request.onabort = finish(() => reject(new DOMException('stopped', 'AbortError')));
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) return reject(new DOMException('stopped', 'AbortError'));
    request.send(file);
  });
}
