// Groups conversations by the day on which they were last used.

export type Period = 'pinned' | 'today' | 'yesterday' | 'thisWeek' | 'earlier';

/** The period of `date` relative to `now`, by local calendar days. */
export function periodOf(date: Date, now: Date): Period {
  const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
  if (days <= 0) return 'today';
  if (days === 1) return 'yesterday';
  return days < 7 ? 'thisWeek' : 'earlier';
}

/** Groups consecutive items of the same period in their order. Pinned items are a period of their own. */
export function byPeriod<T extends { updated_at: string; pinned?: boolean }>(items: readonly T[], now: Date): { period: Period; items: T[] }[] {
  const groups: { period: Period; items: T[] }[] = [];
  for (const item of items) {
    const period = item.pinned ? 'pinned' : periodOf(new Date(item.updated_at), now);
    const last = groups.at(-1);
    if (last?.period === period) last.items.push(item);
    else groups.push({ period, items: [item] });
  }
  return groups;
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}
