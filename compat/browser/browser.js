// Starts Chromium.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

/** launch starts the Chromium of CHROMIUM, or that of PATH, with a profile of its own. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || found(),
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

function found() {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    for (const folder of process.env.PATH.split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // It is not there: look further.
      }
    }
  }
  throw new Error("Chromium is missing. Install it (apt-get install chromium) and put it on PATH, or set CHROMIUM to its program.");
}
