import assert from "node:assert/strict";
import { PageIterator } from "@microsoft/microsoft-graph-client";
import { check, duly, newList, refused } from "../check.js";

const { ada } = await duly();

/** follow reads a delta round to its end, as a client does that keeps a copy. */
async function follow(address, headers = {}) {
  const changes = [];
  const first = await ada.api(address).headers(headers).get();
  const iterator = new PageIterator(ada, first, (change) => changes.push(change) > 0, { headers });
  await iterator.iterate();
  const deltaLink = iterator.getDeltaLink();
  assert.ok(deltaLink, "the last page has a deltaLink");
  return { changes, deltaLink };
}

check("delta of tasks", async () => {
  const { tasks, made } = await newList(ada, "Delta", ...["a", "b", "c", "d", "e"].map((title) => ({ title })));
  const start = await follow(`${tasks}/delta()`, { Prefer: "odata.maxpagesize=2" });
  assert.deepEqual(start.changes.map((task) => task.title).sort(), ["a", "b", "c", "d", "e"]);
  assert.deepEqual((await follow(start.deltaLink)).changes, []);

  const added = await ada.api(tasks).post({ title: "f" });
  await ada.api(`${tasks}/${made[0].id}`).patch({ title: "A" });
  await ada.api(`${tasks}/${made[1].id}`).delete();
  await ada.api(`${tasks}/${made[2].id}/checklistItems`).post({ displayName: "step" });
  const next = await follow(start.deltaLink);
  const changed = Object.fromEntries(next.changes.map((task) => [task.id, task]));
  assert.deepEqual(Object.keys(changed).sort(), [added.id, made[0].id, made[1].id, made[2].id].sort());
  assert.deepEqual([changed[added.id].title, changed[made[0].id].title], ["f", "A"]);
  assert.deepEqual(changed[made[1].id]["@removed"], { reason: "deleted" });
  assert.deepEqual(changed[made[2].id].checklistItems.map((step) => step.displayName), ["step"]);
  assert.deepEqual((await follow(next.deltaLink)).changes, []);
  assert.equal((await follow(start.deltaLink)).changes.length, 4, "a deltaLink can be used again");
});

check("delta of lists", async () => {
  const { list } = await newList(ada, "Watched");
  const start = await follow("/me/todo/lists/delta");
  assert.ok(start.changes.some((each) => each.id === list.id));
  await ada.api(`/me/todo/lists/${list.id}`).patch({ displayName: "Renamed" });
  const { list: other } = await newList(ada, "Passing");
  await ada.api(`/me/todo/lists/${other.id}`).delete();
  const next = await follow(start.deltaLink);
  assert.equal(next.changes.find((each) => each.id === list.id).displayName, "Renamed");
  await ada.api(`/me/todo/lists/${list.id}`).delete();
  assert.deepEqual((await follow(next.deltaLink)).changes.map((each) => each["@removed"]), [{ reason: "deleted" }]);
});

check("delta with options", async () => {
  const { tasks } = await newList(ada, "Delta options", { title: "a", checklistItems: [{ displayName: "step" }] });
  const start = await follow(`${tasks}/delta?$expand=checklistItems&$select=title`);
  assert.deepEqual(start.changes.map((task) => [task.title, task.importance]), [["a", undefined]]);
  assert.equal(start.changes[0].checklistItems[0].displayName, "step");
  await ada.api(tasks).post({ title: "b" });
  const next = await follow(start.deltaLink);
  assert.deepEqual(next.changes.map((task) => [task.title, task.importance]), [["b", undefined]], "the link remembers $select");
});

check("delta from now on", async () => {
  const { tasks } = await newList(ada, "Latest", { title: "old" });
  const start = await follow(`${tasks}/delta?$deltatoken=latest`);
  assert.deepEqual(start.changes, []);
  await ada.api(tasks).post({ title: "new" });
  assert.deepEqual((await follow(start.deltaLink)).changes.map((task) => task.title), ["new"]);
});

check("delta with a damaged token", async () => {
  const { tasks } = await newList(ada, "Damaged");
  await refused(ada.api(`${tasks}/delta?$deltatoken=nonsense`).get(), 410, "syncStateNotFound");
});
