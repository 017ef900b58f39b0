// How the front end is built, served for development, and tested.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  clearScreen: false,
  server: { port: 5173, strictPort: true },
  build: {
    // The oldest web views that HAPA meets: WebKitGTK 2.44, Safari 17.5, WebView2 (always current).
    target: ['es2022', 'safari17.5', 'chrome123'],
    // A data: URL is an image the policy would have to allow; a file is simply ours.
    assetsInlineLimit: 0,
    rolldownOptions: { input: ['index.html', 'quick.html'] },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000,
  },
});
