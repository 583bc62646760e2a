import assert from "node:assert/strict";
import { GraphError } from "@microsoft/microsoft-graph-client";
import { overPlainHTTP } from "../client.js";
import { check, duly, newList, refused } from "../check.js";

const { server, ada } = await duly();

check("400: a body that will not do", async () => {
  const { tasks } = await newList(ada, "400");
  await refused(ada.api(tasks).post({ importance: "high" }), 400, "invalidRequest");
  await refused(ada.api(tasks).post({ title: "x", status: "sometime" }), 400, "invalidRequest");
  await refused(ada.api(tasks).post({ title: "x", dueDateTime: { dateTime: "soon", timeZone: "UTC" } }), 400, "invalidRequest");
});

check("400: an id or a path that is none", async () => {
  await refused(ada.api("/me/todo/lists/nonsense").get(), 400, "invalidRequest");
  await refused(ada.api("/me/todo/lots").get(), 400, "BadRequest");
});

check("401: a token that is none", async () => {
  const nobody = overPlainHTTP(server.url, async () => "nonsense");
  await refused(nobody.api("/me/todo/lists").get(), 401, "InvalidAuthenticationToken");
});

check("403: a token without the permission", async () => {
  const token = await server.token(server.ada, "Tasks.Read");
  const reader = overPlainHTTP(server.url, async () => token);
  assert.ok((await reader.api("/me/todo/lists").get()).value.length > 0);
  await refused(reader.api("/me/todo/lists").post({ displayName: "No" }), 403, "ErrorAccessDenied");
  await refused(reader.api("/me").get(), 403, "Authorization_RequestDenied");
});

check("403: the mailbox of somebody else", async () => {
  await refused(ada.api(`/users/${server.ben.id}/todo/lists`).get(), 403, "ErrorAccessDenied");
  await refused(ada.api(`/users/${server.ben.id}`).get(), 403, "Authorization_RequestDenied");
});

check("404: what is gone", async () => {
  const { tasks, made: [task] } = await newList(ada, "404", { title: "Gone" });
  await ada.api(`${tasks}/${task.id}`).delete();
  for (const request of [() => ada.api(`${tasks}/${task.id}`).get(), () => ada.api(`${tasks}/${task.id}`).patch({ title: "x" }),
    () => ada.api(`${tasks}/${task.id}`).delete()]) {
    await refused(request(), 404, "ErrorItemNotFound");
  }
});

check("405: a method that the path has not", async () => {
  await refused(ada.api("/me/todo/lists").put({}), 405, "Request_BadRequest");
  await refused(ada.api("/me/todo").delete(), 405, "Request_BadRequest");
});

check("412: an etag that is out of date", async () => {
  const { tasks, made: [task] } = await newList(ada, "412", { title: "First" });
  const at = `${tasks}/${task.id}`;
  const second = await ada.api(at).header("If-Match", task["@odata.etag"]).patch({ title: "Second" });
  await refused(ada.api(at).header("If-Match", task["@odata.etag"]).patch({ title: "Third" }), 412, "ErrorIrresolvableConflict");
  assert.equal((await ada.api(at).get()).title, "Second");
  assert.notEqual(second["@odata.etag"], task["@odata.etag"]);
});

check("what an error says", async () => {
  const error = await ada.api("/me/todo/lists/nonsense").get().catch((error) => error);
  assert.ok(error instanceof GraphError);
  assert.match(error.requestId, /^[0-9a-f-]{36}$/);
  assert.equal(error.headers.get("request-id"), error.requestId);
  assert.ok(Math.abs(Date.now() - new Date(`${JSON.parse(error.body).innerError.date}Z`)) < 60_000);
  assert.equal(JSON.parse(error.body).innerError.code, "ErrorInvalidIdMalformed");
  assert.ok(error.message);
});
