// Formats sizes of memory and files.

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** `1.4 GiB`, or `380 MiB` below one. */
export function formatBytes(bytes: number): string {
  // A size that would round to 1024 MiB is shown as 1.0 GiB.
  if (bytes < GIB - MIB / 2) return `${Math.round(bytes / MIB)} MiB`;
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
