import assert from "node:assert/strict";
import { after, test } from "node:test";
import { GraphError } from "@microsoft/microsoft-graph-client";
import { overPlainHTTP } from "./client.js";
import { start } from "./server.js";

// What the server does not do yet: how the check fails, and why. A check that
// passes although it is listed here fails, so that its line gets removed.
const gaps = {
};

/** check is a test, unless the server cannot pass it yet: then it must fail as gaps says. */
export function check(name, run) {
  test(name, async (t) => {
    const gap = gaps[name];
    if (!gap) {
      await run(t);
      return;
    }
    const error = await run(t).then(() => undefined, (error) => error);
    assert.ok(error, `this works now: remove "${name}" from gaps in check.js`);
    const how = error instanceof GraphError ? `${error.statusCode} ${error.code}` : error.message;
    if (!how.includes(gap.fails)) {
      throw error;
    }
    t.diagnostic(`expected to fail, with ${gap.fails}: ${gap.reason}`);
  });
}

/** duly is the server of a file of tests, with ada signed in. */
export async function duly() {
  const server = await start();
  after(() => server.stop());
  const token = await server.token(server.ada);
  const ada = overPlainHTTP(server.url, async () => token);
  return { server, ada, token };
}

/** newList makes a list that a test has for itself, and tasks in it. */
export async function newList(client, name, ...tasks) {
  const list = await client.api("/me/todo/lists").post({ displayName: name });
  const address = `/me/todo/lists/${list.id}`;
  const made = [];
  for (const task of tasks) {
    made.push(await client.api(`${address}/tasks`).post(task));
  }
  return { list, address, tasks: `${address}/tasks`, made };
}

/** titles are those of a collection, in its order. */
export const titles = (collection) => collection.value.map((task) => task.title);

/** refused awaits that a request fails, and compares how. */
export async function refused(request, status, code) {
  const error = await request.then(() => undefined, (error) => error);
  assert.ok(error, `not refused, but ${status} ${code} was expected`);
  if (error.statusCode !== status || error.code !== code) {
    throw new Error(`refused with ${error.statusCode} ${error.code}, not ${status} ${code}`, { cause: error });
  }
}
