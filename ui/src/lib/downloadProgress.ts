// How far a download is, in numbers and in words.
import type { Messages } from '../messages/ko';
import { formatBytes } from './formatBytes';
import type { Download } from '../state/models.svelte';

/** The share that is done of what it does now, 0 to 1; undefined while nobody knows. */
export function progressOf({ state, checked, received_bytes, total_bytes }: Download): number | undefined {
  if (state === 'checking') return checked ?? 0;
  return total_bytes ? received_bytes / total_bytes : undefined;
}

/** What it does, how much of it is here, how fast it comes, and how long it will take. */
export function progressFacts(download: Download, messages: Messages): (string | undefined)[] {
  const { state, received_bytes } = download;
  const total = download.total_bytes ?? undefined;
  const speed = download.bytes_per_second || undefined;
  const amount = state === 'done' ? formatBytes(received_bytes) : total ? messages.memoryUsed(formatBytes(received_bytes), formatBytes(total)) : undefined;
  const left = speed && total ? messages.timeLeft((total - received_bytes) / speed) : undefined;
  return [messages.downloadStates[state], amount, speed ? messages.perSecond(formatBytes(speed)) : undefined, left];
}

/** Whether it goes on by itself. */
export function isActive({ state }: Download): boolean {
  return ['waiting', 'downloading', 'retrying', 'checking'].includes(state);
}
