import assert from "node:assert/strict";
import { ResponseType } from "@microsoft/microsoft-graph-client";
import { overPlainHTTP } from "../client.js";
import { check, duly, newList, refused, titles } from "../check.js";

const { server, ada, token } = await duly();

check("lists", async () => {
  const all = await ada.api("/me/todo/lists").get();
  assert.equal(all.value[0].wellknownListName, "defaultList");

  const made = await ada.api("/me/todo/lists").post({ displayName: "Shopping" });
  assert.deepEqual([made.displayName, made.isOwner, made.isShared], ["Shopping", true, false]);
  const renamed = await ada.api(`/me/todo/lists/${made.id}`).patch({ displayName: "Groceries" });
  assert.equal(renamed.displayName, "Groceries");
  const got = await ada.api(`/me/todo/lists/${made.id}`).get();
  assert.equal(got["@odata.etag"], renamed["@odata.etag"]);
  await ada.api(`/me/todo/lists/${made.id}`).delete();
  await refused(ada.api(`/me/todo/lists/${made.id}`).get(), 404, "ErrorItemNotFound");
});

check("a task with everything in one POST", async () => {
  const { tasks } = await newList(ada, "Everything");
  const made = await ada.api(tasks).post({
    title: "Party",
    body: { content: "Bring cake", contentType: "text" },
    importance: "high",
    status: "inProgress",
    categories: ["Home", "Fun"],
    startDateTime: { dateTime: "2030-01-03T00:00:00", timeZone: "UTC" },
    dueDateTime: { dateTime: "2030-01-04T00:00:00", timeZone: "UTC" },
    reminderDateTime: { dateTime: "2030-01-04T09:30:00", timeZone: "UTC" },
    recurrence: { pattern: { type: "weekly", interval: 2, daysOfWeek: ["friday"] }, range: { type: "numbered", numberOfOccurrences: 3, startDate: "2030-01-04" } },
    checklistItems: [{ displayName: "Invite", isChecked: true }, { displayName: "Bake" }],
    linkedResources: [{ webUrl: "https://party.example/7", applicationName: "Party", displayName: "No 7", externalId: "7" }],
    extensions: [{ "@odata.type": "microsoft.graph.openTypeExtension", extensionName: "com.example.party", guests: 12 }],
  });
  assert.equal(made.extensions[0].guests, 12);

  const task = await ada.api(`${tasks}/${made.id}`).get();
  assert.equal(task.title, "Party");
  assert.deepEqual(task.body, { content: "Bring cake", contentType: "text" });
  assert.deepEqual([task.importance, task.status, task.isReminderOn], ["high", "inProgress", true]);
  assert.deepEqual(task.categories, ["Home", "Fun"]);
  assert.deepEqual(task.dueDateTime, { dateTime: "2030-01-04T00:00:00.0000000", timeZone: "UTC" });
  assert.deepEqual(task.reminderDateTime, { dateTime: "2030-01-04T09:30:00.0000000", timeZone: "UTC" });
  assert.deepEqual([task.recurrence.pattern.type, task.recurrence.pattern.daysOfWeek], ["weekly", ["friday"]]);
  assert.deepEqual([task.recurrence.range.type, task.recurrence.range.numberOfOccurrences], ["numbered", 3]);
  assert.deepEqual(task.checklistItems.map((step) => [step.displayName, step.isChecked]), [["Invite", true], ["Bake", false]]);
  assert.deepEqual(task.linkedResources.map((link) => link.webUrl), ["https://party.example/7"]);
});

check("a task is changed, completed and deleted", async () => {
  const { tasks, made: [task] } = await newList(ada, "Change", { title: "Tea", dueDateTime: { dateTime: "2030-01-01", timeZone: "UTC" } });
  const at = `${tasks}/${task.id}`;
  const changed = await ada.api(at).patch({ title: "Green tea", importance: "low", dueDateTime: null });
  assert.deepEqual([changed.title, changed.importance, "dueDateTime" in changed], ["Green tea", "low", false]);

  assert.ok((await ada.api(at).patch({ status: "completed" })).completedDateTime.dateTime);
  assert.ok(!("completedDateTime" in await ada.api(at).patch({ status: "notStarted" })));
  assert.equal(await ada.api(at).header("Prefer", "return=minimal").patch({ title: "Black tea" }), undefined);
  assert.deepEqual(titles(await ada.api(tasks).get()), ["Black tea"]);

  await ada.api(at).delete();
  await refused(ada.api(at).get(), 404, "ErrorItemNotFound");
});

check("a series goes on when it is completed", async () => {
  const { tasks, made: [task] } = await newList(ada, "Series", {
    title: "Water",
    dueDateTime: { dateTime: "2030-01-01", timeZone: "UTC" },
    recurrence: { pattern: { type: "daily", interval: 3 }, range: { type: "noEnd", startDate: "2030-01-01" } },
  });
  const next = await ada.api(`${tasks}/${task.id}`).patch({ status: "completed" });
  assert.deepEqual([next.status, next.dueDateTime.dateTime], ["notStarted", "2030-01-04T00:00:00.0000000"]);
  const all = await ada.api(tasks).get();
  assert.deepEqual(all.value.map((each) => each.status).sort(), ["completed", "notStarted"]);
});

check("dates in the zone of the reader", async () => {
  const { tasks, made: [task] } = await newList(ada, "Zones", {
    title: "Call",
    reminderDateTime: { dateTime: "2030-07-01T09:00:00", timeZone: "Pacific Standard Time" },
  });
  assert.deepEqual(task.reminderDateTime, { dateTime: "2030-07-01T16:00:00.0000000", timeZone: "UTC" });
  const zoned = await ada.api(`${tasks}/${task.id}`).header("Prefer", 'outlook.timezone="Europe/London"').get();
  assert.deepEqual(zoned.reminderDateTime, { dateTime: "2030-07-01T17:00:00.0000000", timeZone: "Europe/London" });
});

check("steps", async () => {
  const { tasks, made: [task] } = await newList(ada, "Steps", { title: "Cook" });
  const steps = `${tasks}/${task.id}/checklistItems`;
  const made = await ada.api(steps).post({ displayName: "Chop" });
  const checked = await ada.api(`${steps}/${made.id}`).patch({ isChecked: true });
  assert.deepEqual([checked.displayName, checked.isChecked], ["Chop", true]);
  assert.equal((await ada.api(`${steps}/${made.id}`).get()).id, made.id);
  assert.equal((await ada.api(steps).get()).value.length, 1);
  await ada.api(`${steps}/${made.id}`).delete();
  assert.deepEqual((await ada.api(steps).get()).value, []);
});

check("linked resources", async () => {
  const { tasks, made: [task] } = await newList(ada, "Links", { title: "Reply" });
  const links = `${tasks}/${task.id}/linkedResources`;
  const made = await ada.api(links).post({ applicationName: "Mail", webUrl: "https://mail.example/1", externalId: "1" });
  const changed = await ada.api(`${links}/${made.id}`).patch({ displayName: "One" });
  assert.deepEqual([changed.displayName, changed.externalId], ["One", "1"]);
  assert.equal((await ada.api(`${links}/${made.id}`).get()).webUrl, "https://mail.example/1");
  assert.equal((await ada.api(links).get()).value.length, 1);
  await ada.api(`${links}/${made.id}`).delete();
  assert.deepEqual((await ada.api(links).get()).value, []);
});

check("users", async () => {
  const me = await ada.api("/me").get();
  assert.deepEqual([me.id, me.displayName, me.userPrincipalName], [server.ada.id, "Ada Lovelace", "ada@example.org"]);
  assert.equal((await ada.api(`/users/${me.id}`).get()).id, me.id);
  assert.equal(await ada.api("/me").patch({ jobTitle: "Countess" }), undefined);
  assert.equal((await ada.api("/users/ada@example.org").get()).jobTitle, "Countess");
  const own = await ada.api(`/users/${me.id}/todo/lists`).get();
  assert.equal(own.value[0].wellknownListName, "defaultList");

  const directory = await server.token(server.ada, "User.ReadBasic.All");
  const all = await overPlainHTTP(server.url, async () => directory).api("/users").get();
  assert.deepEqual(all.value.map((user) => user.id).sort(), [server.ada.id, server.ben.id].sort());
});

check("headers of an answer", async () => {
  const { list, address } = await newList(ada, "Headers");
  const id = "9c2a4a5e-7d1f-4c58-9a0b-0f1e2d3c4b5a";
  const answer = await ada.api(address).header("client-request-id", id).responseType(ResponseType.RAW).get();
  assert.equal(answer.headers.get("etag"), list["@odata.etag"]);
  assert.equal(answer.headers.get("client-request-id"), id);
  assert.match(answer.headers.get("request-id"), /^[0-9a-f-]{36}$/);
});

check("beta", async () => {
  const beta = overPlainHTTP(server.url, async () => token, "beta");
  const { list } = await newList(beta, "Beta");
  assert.match((await beta.api(`/me/todo/lists/${list.id}`).get())["@odata.context"], /\/beta\/\$metadata#/);
  assert.equal((await ada.api(`/me/todo/lists/${list.id}`).version("beta").get()).displayName, "Beta");
});
