import assert from "node:assert/strict";
import { after, mock } from "node:test";
import { PageIterator } from "@microsoft/microsoft-graph-client";
import { overTLS } from "../client.js";
import { start } from "../server.js";
import { check, duly, newList } from "../check.js";

const { ada } = await duly();
const seven = ["a", "b", "c", "d", "e", "f", "g"];
const sevenTasks = seven.map((title) => ({ title }));

/** iterate collects the titles of all pages, and counts the pages. */
async function iterate(client, first, options) {
  const seen = [];
  const iterator = new PageIterator(client, first, (task) => seen.push(task.title) > 0, options);
  await iterator.iterate();
  assert.ok(iterator.isComplete());
  return seen.sort();
}

check("PageIterator with $top", async () => {
  const { tasks } = await newList(ada, "Top", ...sevenTasks);
  const first = await ada.api(tasks).top(2).get();
  assert.equal(first.value.length, 2);
  assert.match(first["@odata.nextLink"], /\$skip=2$/);
  assert.deepEqual(await iterate(ada, first), seven);
});

check("PageIterator with odata.maxpagesize", async () => {
  const { tasks } = await newList(ada, "Prefer", ...sevenTasks);
  const headers = { Prefer: "odata.maxpagesize=3" };
  const first = await ada.api(tasks).headers(headers).get();
  assert.equal(first.value.length, 3);
  assert.deepEqual(await iterate(ada, first, { headers }), seven);
});

check("PageIterator that pauses", async () => {
  const { tasks } = await newList(ada, "Pause", ...sevenTasks);
  const seen = [];
  const iterator = new PageIterator(ada, await ada.api(tasks).top(3).get(), (task) => seen.push(task.title) !== 4);
  await iterator.iterate();
  assert.deepEqual([seen.length, iterator.isComplete()], [4, false]);
  await iterator.resume();
  assert.deepEqual(seen.sort(), seven);
});

check("$skip", async () => {
  const { tasks } = await newList(ada, "Skip", ...sevenTasks);
  assert.equal((await ada.api(tasks).skip(5).get()).value.length, 2);
});

check("over TLS, with the client's own token handler", async () => {
  // The proxy that would take off the TLS is played by fetch.
  const server = await start("--base-url", "https://todo.example.org");
  after(() => server.stop());
  const direct = globalThis.fetch;
  mock.method(globalThis, "fetch", (address, options) => direct(address.replace("https://todo.example.org/", server.url), options));
  try {
    const client = overTLS("https://todo.example.org/", () => server.token(server.ada));
    const { tasks } = await newList(client, "Secure", ...sevenTasks);
    const first = await client.api(tasks).top(3).get();
    assert.match(first["@odata.nextLink"], /^https:\/\/todo\.example\.org\/v1\.0\/me\/todo\/lists\//);
    assert.deepEqual(await iterate(client, first), seven);
  } finally {
    mock.restoreAll();
  }
});
