// Progress of a download as a fraction and as text.
import type { Messages } from '../messages/ko';
import { formatBytes } from './formatBytes';
import type { Download } from '../state/models.svelte';

/** The progress of the current step, 0 to 1; undefined if unknown. */
export function progressOf({ state, checked, received_bytes, total_bytes }: Download): number | undefined {
  if (state === 'checking') return checked ?? 0;
  return total_bytes ? received_bytes / total_bytes : undefined;
}

/** State, bytes, speed and remaining time, as text. */
export function progressFacts(download: Download, messages: Messages): (string | undefined)[] {
  const { state, received_bytes } = download;
  const total = download.total_bytes ?? undefined;
  const speed = download.bytes_per_second || undefined;
  const amount = state === 'done' ? formatBytes(received_bytes) : total ? messages.memoryUsed(formatBytes(received_bytes), formatBytes(total)) : undefined;
  const remaining = speed && total ? messages.timeLeft((total - received_bytes) / speed) : undefined;
  return [messages.downloadStates[state], amount, speed ? messages.perSecond(formatBytes(speed)) : undefined, remaining];
}

/** Whether it makes progress without the user. */
export function isActive({ state }: Download): boolean {
  return ['waiting', 'downloading', 'retrying', 'checking'].includes(state);
}
