// Looks at a page as people see it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** look checks the page in front of the person: nothing is cut off, and axe finds nothing. */
export async function look(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [360, 1200]) {
      await page.setViewportSize({ width, height: 800 });
      assert.ok(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), `${name} is wider than ${width} pixels`);
      if (process.env.SCREENSHOTS) {
        await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}-${colorScheme}-${width}.png`), fullPage: true });
      }
    }
    await page.evaluate(axe);
    const { violations } = await page.evaluate("axe.run()");
    assert.deepEqual(violations.map(({ id, help, nodes }) => [id, help, nodes.map(({ html }) => html)]), [], `${name}, ${colorScheme}`);
  }
}
