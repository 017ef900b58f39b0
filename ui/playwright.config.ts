// Playwright configuration: browser tests over the real sidecar.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'e2e',
  // The test machine has two cores, and a model needs them too.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  outputDir: 'node_modules/.e2e',
  use: {
    // No animations, so that colours can be measured and screenshots taken at once.
    contextOptions: { reducedMotion: 'reduce' },
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath: process.env['HAPA_TEST_CHROMIUM'] ?? '/usr/bin/chromium' },
  },
});
