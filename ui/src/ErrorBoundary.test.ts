import { render, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';

import ErrorBoundary from './ErrorBoundary.svelte';
import ThrowingPage from './testing/ThrowingPage.svelte';
import { testApp } from './testing/testApp';

test('a page that throws is replaced by an error message with a reload button', async () => {
  const { app } = await testApp();
  render(ErrorBoundary, { app, page: ThrowingPage });
  expect(screen.getByTestId('page-failed').textContent).toContain('it broke');
  expect(screen.getByTestId('reload').textContent).toBe('다시 불러오기');
});
