/** The browser that pages are opened in, where there is one. */
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of a Chromium, from `CHROMIUM` or where systems put it. */
export const browserPath = [process.env['CHROMIUM'], ...places].find((path) => path !== undefined && existsSync(path));

if (browserPath === undefined) {
  console.warn('SKIPPED: tests in a browser need Chromium; install it or name it in CHROMIUM.');
}

/** Starts it, silent and without a network of its own. */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: browserPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
