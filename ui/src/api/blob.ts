/** The one request that says how far it is: a file on its way to the server. */
import { recordAnswer } from './answering';
import { api, problemOf, unreachable } from './client';
import { csrfHeaders, recordUnknownCaller } from './session';

interface StoredBlob {
  hash: string;
  size: number;
}

/** Store a file's bytes; `onSent` is told how many of them are sent. The answer comes when they are durable. */
export function putBlob(file: File, onSent: (count: number) => void, signal: AbortSignal): Promise<StoredBlob> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much it has sent
    request.open('PUT', api('/blobs'));
    for (const [name, value] of Object.entries(csrfHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onSent(event.loaded);
    request.onerror = () => {
      recordAnswer(false);
      reject(unreachable());
    };
    request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'));
    request.onload = () => {
      recordAnswer(true);
      if (request.status === 401) recordUnknownCaller();
      if (request.status === 201) resolve(JSON.parse(request.responseText) as StoredBlob);
      else void problemOf(new Response(request.responseText, { status: request.status })).then(reject);
    };
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
