import { render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import Window from '../Window.svelte';
import { FakeApi } from '../testing/fakeApi';
import { point } from '../testing/items';
import { refusal } from '../testing/router';
import { testApp } from '../testing/testApp';

/** The charts that were drawn, instead of a canvas. */
const drawn = vi.hoisted(() => ({ charts: [] as { hover: (index: number | null) => void; data: unknown }[] }));
vi.mock('uplot', () => ({
  default: class {
    constructor(options: { hooks: { setCursor: ((chart: object) => void)[] } }, data: unknown) {
      drawn.charts.push({ data, hover: (idx) => options.hooks.setCursor[0]?.({ cursor: { idx } }) });
    }
    setData() {}
    setSize() {}
    redraw() {}
    destroy() {}
  },
}));

beforeEach(() => {
  drawn.charts = [];
  vi.stubGlobal('matchMedia', () => new EventTarget());
});
afterEach(() => void vi.useRealTimers());

const NOW = 1_800_000_000_000;

async function open(values: Partial<FakeApi> = {}, language = 'en-US') {
  const all = await testApp({ api: Object.assign(new FakeApi(), values), language });
  render(Window, { app: all.app });
  const user = userEvent.setup();
  await user.keyboard('{Control>}{Shift>}[KeyM]{/Shift}{/Control}');
  return { ...all, user };
}

const figures = (name: string) => within(screen.getByTestId(`measure-${name}`)).getAllByTestId('figure').map((figure) => figure.textContent);

test('charts show the current value, as text for screen readers too, and the hovered value', async () => {
  const points = [point(NOW - 30_000, { tokens_per_second: 10, cpu: 80 }), point(NOW - 15_000, { tokens_per_second: 20 }), point(NOW, { cpu: 20, queue_chat: 2 })];
  await open({ points });
  await screen.findByTestId('charts');
  expect(figures('speed')).toEqual(['20 tokens/s']);
  expect(figures('queue')).toEqual(['2', '0', '0']);
  expect(figures('memory')).toEqual(['4.0 GiB', '1.0 GiB']);
  expect(screen.queryByTestId('measure-gpu')).toBeNull();
  const chart = within(screen.getByTestId('measure-cpu')).getByRole('img');
  expect(chart.getAttribute('aria-label')).toBe('CPU usage. Now: 20%. Last 15 min: minimum 10%, maximum 80%.');
  await waitFor(() => expect(drawn.charts).toHaveLength(8));
  drawn.charts[0]?.hover(0);
  await waitFor(() => expect(figures('cpu')).toEqual(['80%']));
  expect(figures('speed')).toEqual(['10 tokens/s']);
  expect(screen.getByTestId('pointed').textContent).toMatch(/At \d\d:\d\d:\d\d/);
  drawn.charts[0]?.hover(2);
  await waitFor(() => expect(figures('speed')).toEqual(['–']));
  drawn.charts[0]?.hover(null);
  await waitFor(() => expect(figures('cpu')).toEqual(['20%']));
});

test('a range is chosen, and a table tells the same', async () => {
  const { user } = await open({ points: [point(NOW - 600_000, { cpu: 90 }), point(NOW, { gpu_memory: 1024 ** 3 })] });
  await screen.findByTestId('measure-gpu');
  expect(screen.getByTestId('pointed').textContent).toBe('Interval: 15 s');
  await user.click(screen.getByTestId('form-table'));
  expect(within(screen.getByTestId('figures')).getAllByRole('row')).toHaveLength(4);
  expect(screen.getByTestId('figures').textContent).toContain('90%');
  await user.click(screen.getByTestId('range-5'));
  expect(screen.getByTestId('range-5').getAttribute('aria-pressed')).toBe('true');
  expect(within(screen.getByTestId('figures')).getAllByRole('row')).toHaveLength(3);
});

test('only new points are requested, and none while the window is hidden', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
  const { api, app } = await open({ points: [point(NOW)] });
  await screen.findByTestId('charts');
  api.points = [point(NOW), point(NOW + 5000, { cpu: 56 })];
  await vi.advanceTimersByTimeAsync(5000);
  await waitFor(() => expect(figures('cpu')).toEqual(['33%']));
  expect(app.metrics.points).toHaveLength(2);
  const visible = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  document.dispatchEvent(new Event('visibilitychange'));
  const asked = api.requests.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(api.requests).toHaveLength(asked);
  visible.mockReturnValue('visible');
  document.dispatchEvent(new Event('visibilitychange'));
  await waitFor(() => expect(api.requests.length).toBeGreaterThan(asked));
  app.view = 'chat';
  await waitFor(() => expect(screen.queryByTestId('charts')).toBeNull());
  const then = api.requests.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(api.requests).toHaveLength(then);
});

test('without data, and when the API fails, the view says so', async () => {
  const api = new FakeApi();
  const { fetch } = api;
  const broken = { now: false };
  const answer: typeof fetch = (...asked) =>
    broken.now && new Request(...asked).url.includes('/metrics/series') ? Promise.resolve(refusal(500, 'INTERNAL_SERVER_ERROR')) : fetch(...asked);
  Object.assign(api, { fetch: answer });
  const { app } = await open(api, 'ko-KR');
  expect((await screen.findByTestId('metrics-empty')).textContent).toContain('아직 데이터가 없습니다');
  broken.now = true;
  app.view = 'chat';
  await waitFor(() => expect(screen.queryByTestId('metrics-empty')).toBeNull());
  app.view = 'metrics';
  expect((await screen.findByTestId('metrics-failed')).textContent).toContain('지표를 불러오지 못했습니다');
});

test('requests by endpoint are sorted by any column, both ways', async () => {
  const endpoint = (endpoint: string, requests: number, average_ms: number) => ({ method: 'GET', endpoint, requests, errors: 0, average_ms, p95_ms: 1 });
  const { user } = await open({ points: [point(NOW)], endpoints: [endpoint('/b', 5, 1), endpoint('/a', 9, 0.5), endpoint('/c', 1, 30)] });
  await screen.findAllByTestId('endpoint');
  const rows = () => screen.getAllByTestId('endpoint').map((row) => within(row).getByRole('rowheader').textContent);
  expect(rows()).toEqual(['GET /a', 'GET /b', 'GET /c']);
  await user.click(screen.getByTestId('sort-average_ms'));
  expect(rows()).toEqual(['GET /c', 'GET /b', 'GET /a']);
  await user.click(screen.getByTestId('sort-average_ms'));
  expect(rows()).toEqual(['GET /a', 'GET /b', 'GET /c']);
  await user.click(screen.getByTestId('sort-endpoint'));
  expect(screen.getAllByRole('columnheader')[0]?.getAttribute('aria-sort')).toBe('ascending');
});

test('errors are listed by code, and internal ones with their incident id', async () => {
  const incident = { timestamp: '2026-11-26T05:00:00Z', error_code: 'INTERNAL_SERVER_ERROR', method: 'POST', endpoint: '/x', incident_id: 'INC-1', request_id: 'r' };
  const errors = { total_errors: 4, errors_last_24h: 2, error_rate: 0, top_error_codes: [{ error_code: 'VALIDATION_ERROR', count: 3 }], recent_incidents: [incident] };
  const { user } = await open({ points: [point(NOW)], errors });
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  await user.click(await screen.findByTestId('copy-incident'));
  expect(writeText).toHaveBeenCalledWith('INC-1');
  expect(screen.getByTestId('errors').textContent).toMatch(/2 in the last 24 hours, 4 in the last 30 days.*VALIDATION_ERROR 3.*POST \/x/s);
});

test('metrics are exported as CSV and JSON, and a cancelled export shows nothing', async () => {
  const { host, user } = await open({ points: [point(NOW)] });
  await user.click(await screen.findByTestId('export-csv'));
  await waitFor(() => expect(screen.getByTestId('exported').textContent).toBe('Saved'));
  await user.click(screen.getByTestId('export-json'));
  await waitFor(() => expect(host.saved.map(({ name }) => name)).toEqual(['hapa-metrics.csv', 'hapa-metrics.json']));
  expect(host.saved[0]?.content).toContain('cpu');
  expect(JSON.parse(host.saved[1]?.content ?? '')).toMatchObject({ points: [{ at: NOW }], endpoints: [] });
  host.declinesSave = true;
  await user.click(screen.getByTestId('export-csv'));
  await waitFor(() => expect(screen.getByTestId('exported').textContent).toBe(''));
});
