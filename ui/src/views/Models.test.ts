import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';

import Window from '../Window.svelte';
import { FakeApi } from '../testing/fakeApi';
import { catalogueItem, download, modelItem } from '../testing/items';
import { refusal } from '../testing/router';
import { testApp } from '../testing/testApp';

/** A window whose API has these values, with the models view open. */
async function open(values: Partial<FakeApi> = {}, language = 'en-US') {
  const all = await testApp({ api: Object.assign(new FakeApi(), values), language });
  render(Window, { app: all.app });
  const user = userEvent.setup();
  await user.click(await screen.findByTestId('open-models'));
  return { ...all, user };
}

const row = (testid: string, text: string) => {
  const found = screen.getAllByTestId(testid).find((row) => row.textContent.includes(text));
  if (!found) throw new Error(`no ${testid} with ${text}`);
  return within(found);
};

test('installed models are listed with their facts, and can be assigned, unloaded and verified', async () => {
  const { api, user } = await open({
    models: [
      modelItem('one', { roles: ['chat'], quantization: 'Q4_K_M', license: 'apache-2.0' }),
      modelItem('two', { roles: [], state: 'available' }),
    ],
  });
  await waitFor(() => expect(screen.getAllByTestId('model-row')).toHaveLength(2));
  expect(screen.getAllByTestId('model-row')[0]?.textContent).toMatch(/one\s*Chat\s*Ready\s*Q4_K_M\s*1.0 GiB\s*apache-2.0/);
  await user.click(row('model-row', 'two').getByTestId('use-for-completion'));
  await user.click(row('model-row', 'one').getByTestId('unload'));
  await waitFor(() => expect(row('model-row', 'one').queryByTestId('unload')).toBeNull());
  await user.click(row('model-row', 'one').getByTestId('verify'));
  expect((await row('model-row', 'one').findByTestId('verdict')).textContent).toContain('damaged');
  expect(api.modelCommands).toEqual([
    ['POST /two/load', { role: 'completion' }],
    ['POST /one/unload', undefined],
    ['POST /one/verify', undefined],
  ]);
});

test('a model is deleted only after confirmation, and unloaded first', async () => {
  const { api, user } = await open({ models: [modelItem('one')] });
  await user.click(await screen.findByTestId('remove-model'));
  await user.click(within(screen.getByTestId('confirm-dialog')).getByText('Cancel'));
  expect(api.modelCommands).toEqual([]);
  await user.click(screen.getByTestId('remove-model'));
  await user.click(screen.getByTestId('confirm'));
  expect(await screen.findByTestId('models-empty')).toBeDefined();
  expect(api.modelCommands.map(([order]) => order)).toEqual(['POST /one/unload', 'DELETE /one']);
});

test('what is worth a download says how it would fit, and is downloaded with one press', async () => {
  const misfit = { ...catalogueItem('Large').fit, fits: false, explanation: 'needs 9.0 GiB of memory' };
  const { api, user } = await open({
    catalogue: [
      catalogueItem('Tiny', { installed: true }),
      catalogueItem('Small', { suggested: true }),
      catalogueItem('Large', { fit: misfit, free: false, license: 'research' }),
    ],
  });
  await waitFor(() => expect(screen.getAllByTestId('catalogue-row')).toHaveLength(2));
  expect(row('catalogue-row', 'Small').getByText('Best for this computer')).toBeDefined();
  expect(row('catalogue-row', 'Large').getByText('needs 9.0 GiB of memory')).toBeDefined();
  expect(row('catalogue-row', 'Large').getByText('research (non-commercial)')).toBeDefined();
  await user.click(row('catalogue-row', 'Small').getByTestId('download-model'));
  expect(api.modelCommands).toEqual([['POST /downloads', { repository: 'Qwen/Small', file: 'small.gguf' }]]);
  api.reportDownloads(download('small'));
  await waitFor(() => expect(row('catalogue-row', 'Small').getByTestId<HTMLButtonElement>('download-model').disabled).toBe(true));
});

test('a download shows its progress, is paused and resumed, reports its error, and installs a model', async () => {
  const { api, user } = await open();
  api.reportDownloads(download('small'));
  const found = await screen.findByTestId('download');
  await waitFor(() => expect(found.textContent).toMatch(/Downloading\s*512 MiB of 1.0 GiB\s*8 MiB\/s\s*64 s left/));
  expect(found.querySelector('progress')?.value).toBe(0.5);
  await user.click(screen.getByTestId('pause-download'));
  api.reportDownloads(download('small', { state: 'paused', bytes_per_second: null }));
  await user.click(await screen.findByTestId('resume-download'));
  api.reportDownloads(download('small', { state: 'failed', bytes_per_second: null, message: 'the disk needs room', failure: 'full' }));
  await waitFor(() => expect(screen.getByTestId('download').textContent).toContain('the disk needs room'));
  expect(screen.getByTestId('resume-download')).toBeDefined();
  api.models = [modelItem('small')];
  api.reportDownloads(download('small', { state: 'done', received_bytes: 1024 ** 3, bytes_per_second: null }));
  await waitFor(() => expect(screen.getByTestId('model-row').textContent).toContain('small'));
  await user.click(screen.getByTestId('give-up-download'));
  expect(api.modelCommands).toEqual([
    ['PATCH /downloads/small', { paused: true }],
    ['PATCH /downloads/small', { paused: false }],
    ['DELETE /downloads/small', undefined],
  ]);
});

test('an unverified model is downloaded only after its host and hash were confirmed', async () => {
  const hash = 'ab'.repeat(32);
  const { api, user } = await open({
    repositories: [{ repository: 'who/<b>knows</b>', downloads: 1234, likes: 1, license: null, gated: true }],
    files: [{ file: 'q4/m.gguf', id: 'm', size_bytes: 2 * 1024 ** 3, sha256: hash }],
  });
  await user.type(screen.getByTestId('hub-search'), 'coder{Enter}');
  const found = await screen.findByTestId('hub-row');
  expect(found.textContent).toMatch(/who\/<b>knows<\/b>\s*1,234 downloads\s*no licence stated\s*account required/);
  await user.click(screen.getByTestId('hub-files'));
  await user.click(await screen.findByTestId('hub-download'));
  expect(screen.getByTestId('confirm-dialog').textContent).toContain('huggingface.co');
  expect(screen.getByTestId('confirm-dialog').textContent).toContain(hash);
  expect(api.modelCommands).toEqual([]);
  await user.click(screen.getByTestId('confirm'));
  await waitFor(() => expect(api.modelCommands).toEqual([['POST /downloads', { repository: 'who/<b>knows</b>', file: 'q4/m.gguf' }]]));
});

test('an API error is shown, and can be dismissed', async () => {
  const { user } = await open({ catalogue: [catalogueItem('Small')], refusals: [refusal(409, 'CONFLICT')] });
  await user.click(await screen.findByTestId('download-model'));
  expect((await screen.findByTestId('models-trouble')).textContent).toContain('refused: CONFLICT');
  await user.click(within(screen.getByTestId('models-trouble')).getByRole('button'));
  expect(screen.queryByTestId('models-trouble')).toBeNull();
});

test('the models open by keyboard, and Escape or a conversation leads back', async () => {
  const { user } = await open();
  expect(screen.getByTestId('open-models').getAttribute('aria-current')).toBe('page');
  await user.keyboard('{Escape}');
  expect(screen.getByTestId('question')).toBeDefined();
  await user.keyboard('{Control>}[KeyM]{/Control}');
  expect(screen.getByTestId('hub-search')).toBeDefined();
  await user.keyboard('{Control>}[KeyN]{/Control}');
  expect(document.activeElement).toBe(screen.getByTestId('question'));
});

test('a model file is imported by choosing or dropping it, and another kind of file is rejected', async () => {
  const { app, user } = await open();
  const add = vi.spyOn(app.imports, 'add').mockImplementation(() => {});
  const file = new File(['1'], 'own.gguf');
  await user.upload(screen.getByTestId('import-file'), file);
  expect(add).toHaveBeenLastCalledWith([file]);
  const transfer = { types: ['Files'], files: [file] };
  await fireEvent.dragEnter(screen.getByTestId('model-drop'), { dataTransfer: transfer });
  expect(screen.getByTestId('model-drop').textContent).toContain('Drop here to import');
  await fireEvent.drop(screen.getByTestId('model-drop'), { dataTransfer: transfer });
  expect(screen.getByTestId('model-drop').textContent).not.toContain('Drop here to import');
  expect(add).toHaveBeenCalledTimes(2);
  add.mockRestore();
  app.imports.add([new File(['1'], 'notes.txt')]);
  expect((await screen.findByTestId('import')).textContent).toMatch(/notes.txt.*Only .gguf files/s);
  await user.click(screen.getByTestId('import-close'));
  expect(screen.queryByTestId('import')).toBeNull();
});
