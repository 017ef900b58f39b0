import { render, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';

import ErrorBoundary from './ErrorBoundary.svelte';
import ThrowingPage from './testing/ThrowingPage.svelte';
import { testApp } from './testing/testApp';

test('a page that breaks is followed by a word and a way out, never by an empty window', async () => {
  const { app } = await testApp();
  render(ErrorBoundary, { app, page: ThrowingPage });
  expect(screen.getByTestId('page-failed').textContent).toContain('it broke');
  expect(screen.getByTestId('reload').textContent).toBe('다시 불러오기');
});
