import { render, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';

import Guarded from './Guarded.svelte';
import Broken from './testing/Broken.svelte';
import { house } from './testing/house';

test('a page that breaks is followed by a word and a way out, never by an empty window', async () => {
  const { app } = await house();
  render(Guarded, { app, page: Broken });
  expect(screen.getByTestId('page-failed').textContent).toContain('it broke');
  expect(screen.getByTestId('reload').textContent).toBe('다시 불러오기');
});
