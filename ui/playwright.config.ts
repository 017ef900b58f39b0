// How the window is tried in a browser, over the real sidecar.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'e2e',
  // Two cores, and a model among those who want them.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  outputDir: 'node_modules/.e2e',
  use: {
    // Nothing moves, so that colours can be judged and pictures taken at once.
    contextOptions: { reducedMotion: 'reduce' },
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath: process.env['HAPA_TEST_CHROMIUM'] ?? '/usr/bin/chromium' },
  },
});
