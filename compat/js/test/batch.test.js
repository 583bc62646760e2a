import assert from "node:assert/strict";
import { BatchRequestContent, BatchResponseContent } from "@microsoft/microsoft-graph-client";
import { overPlainHTTP } from "../client.js";
import { check, duly, newList, refused } from "../check.js";

const { server, ada } = await duly();

/** step is a request of a batch. The client takes scheme and host off its URL. */
const step = (id, method, address, body, headers = {}) => ({
  id,
  request: new Request(new URL(address, server.url), {
    method,
    headers: body ? { "Content-Type": "application/json", ...headers } : headers,
    body: body && JSON.stringify(body),
  }),
});

/** send sends the steps as a batch and gives the answers by id. */
async function send(...steps) {
  const content = await new BatchRequestContent(steps).getContent();
  const answer = new BatchResponseContent(await ada.api("/$batch").post(content));
  return (id) => answer.getResponseById(id);
}

check("batch", async () => {
  const { tasks, made: [one, two] } = await newList(ada, "Batch", { title: "one" }, { title: "two" });
  const answer = await send(
    step("post", "POST", tasks, { title: "three" }),
    step("patch", "PATCH", `${tasks}/${one.id}`, { title: "ONE" }, { "If-Match": one["@odata.etag"] }),
    step("delete", "DELETE", `${tasks}/${two.id}`),
    step("get", "GET", `${tasks}?$top=1`),
    step("gone", "GET", "/me/todo/lists/nonsense"),
  );
  assert.equal(answer("post").status, 201);
  assert.equal((await answer("post").json()).title, "three");
  assert.ok(answer("post").headers.get("location"));
  assert.equal((await answer("patch").json()).title, "ONE");
  assert.equal(answer("delete").status, 204);
  assert.equal((await answer("get").json()).value.length, 1);
  assert.equal(answer("gone").status, 400);
  assert.equal((await answer("gone").json()).error.code, "invalidRequest");
});

check("batch with a dependency", async () => {
  const { tasks } = await newList(ada, "Serial");
  const steps = [step("1", "POST", tasks, { title: "first" }), step("2", "GET", tasks)];
  steps[1].dependsOn = ["1"];
  const answer = await send(...steps);
  assert.equal((await answer("2").json()).value[0].title, "first");
});

check("batch whose first step fails", async () => {
  const { tasks } = await newList(ada, "Failing");
  const steps = [step("1", "POST", tasks, {}), step("2", "POST", tasks, { title: "second" })];
  steps[1].dependsOn = ["1"];
  const answer = await send(...steps);
  assert.deepEqual([answer("1").status, answer("2").status], [400, 424]);
  assert.equal((await answer("2").json()).error.code, "FailedDependency");
  assert.deepEqual((await ada.api(tasks).get()).value, []);
});

check("batch with versioned addresses", async () => {
  const answer = await send(step("1", "GET", "/v1.0/me/todo/lists"), step("2", "GET", "/beta/me/todo/lists"));
  assert.match((await answer("1").json())["@odata.context"], /\/v1\.0\//);
  assert.match((await answer("2").json())["@odata.context"], /\/beta\//);
});

check("batch that reads with options", async () => {
  const { tasks } = await newList(ada, "Reading", { title: "one" }, { title: "two" });
  const answer = await send(
    step("filter", "GET", `${tasks}?$filter=title eq 'two'&$select=title&$count=true`),
    step("delta", "GET", `${tasks}/delta()`),
  );
  const filtered = await answer("filter").json();
  assert.deepEqual([filtered["@odata.count"], filtered.value.map((task) => task.title)], [1, ["two"]]);
  const delta = await answer("delta").json();
  assert.deepEqual([delta.value.length, typeof delta["@odata.deltaLink"]], [2, "string"]);
});

check("batch that counts", async () => {
  const { tasks } = await newList(ada, "Counting", { title: "one" }, { title: "two" });
  const answer = await send(step("count", "GET", `${tasks}/$count`));
  assert.equal(await answer("count").text(), "2");
});

check("batch that is refused as a whole", async () => {
  const nobody = overPlainHTTP(server.url, async () => "nonsense");
  const requests = [{ id: "1", method: "GET", url: "/me" }];
  await refused(nobody.api("/$batch").post({ requests }), 401, "InvalidAuthenticationToken");
  await refused(ada.api("/$batch").post({ requests: Array.from({ length: 21 }, (_, id) => ({ ...requests[0], id: `${id}` })) }), 400, "BadRequest");
});
