import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { FileUpload, LargeFileUploadTask, ResponseType } from "@microsoft/microsoft-graph-client";
import { check, duly, newList } from "../check.js";

const { ada } = await duly();

const tenMegabytes = 10 * 1024 * 1024 + 4321;

/** newTask makes a task and returns its address. */
async function newTask(title) {
  const { tasks } = await newList(ada, title);
  const { id } = await ada.api(tasks).post({ title });
  return `${tasks}/${id}`;
}

/** uploader is the client's own helper for large files, on a new session. */
async function uploader(task, content) {
  const session = await LargeFileUploadTask.createUploadSession(ada, `${task}/attachments/createUploadSession`, {
    attachmentInfo: { attachmentType: "file", name: "report.bin", size: content.length, contentType: "application/octet-stream" },
  });
  return new LargeFileUploadTask(ada, new FileUpload(content, "report.bin", content.length), session, { rangeSize: 5 * 1024 * 1024 });
}

/** uploaded checks that the one attachment of the task has the bytes that were sent. */
async function uploaded(task, content) {
  const { value } = await ada.api(`${task}/attachments`).get();
  assert.deepEqual(value.map((file) => [file.name, file.size]), [["report.bin", content.length]]);
  const raw = await ada.api(`${task}/attachments/${value[0].id}/$value`).responseType(ResponseType.ARRAYBUFFER).get();
  assert.ok(content.equals(Buffer.from(raw)), "$value differs from what was sent");
}

check("a small attachment", async () => {
  const task = await newTask("Small file");
  const made = await ada.api(`${task}/attachments`).post({
    "@odata.type": "#microsoft.graph.taskFileAttachment", name: "smile.txt", contentType: "text/plain", contentBytes: Buffer.from("smile").toString("base64"),
  });
  const got = await ada.api(`${task}/attachments/${made.id}`).get();
  assert.deepEqual([got.name, got.contentType, got.size, Buffer.from(got.contentBytes, "base64").toString()], ["smile.txt", "text/plain", 5, "smile"]);
  assert.equal((await ada.api(task).get()).hasAttachments, true);
  await ada.api(`${task}/attachments/${made.id}`).delete();
  assert.equal((await ada.api(task).get()).hasAttachments, false);
});

check("an upload of 10 MB", async () => {
  const task = await newTask("Large file");
  const content = randomBytes(tenMegabytes);
  const upload = await uploader(task, content);
  const result = await upload.upload();
  assert.match(result.location, /\/attachments\//);
  await uploaded(task, content);
});

check("an upload that goes on where it stopped", async () => {
  const task = await newTask("Broken upload");
  const content = randomBytes(tenMegabytes);
  const upload = await uploader(task, content);
  const first = upload.getNextRange();
  await upload.uploadSlice(await upload.file.sliceFile(first), first, content.length);
  assert.deepEqual((await upload.getStatus()).nextExpectedRanges.length, 1);
  await upload.resume();
  await uploaded(task, content);
});

check("an upload that is cancelled", async () => {
  const task = await newTask("No upload");
  const upload = await uploader(task, randomBytes(100));
  assert.equal((await upload.cancel()).status, 204);
  assert.deepEqual((await ada.api(`${task}/attachments`).get()).value, []);
});

check("open extensions", async () => {
  const task = await newTask("Extended");
  const made = await ada.api(`${task}/extensions`).post({ "@odata.type": "microsoft.graph.openTypeExtension", extensionName: "com.example.crm", customer: 42, tags: ["a", "b"] });
  assert.equal(made.id, "microsoft.graph.openTypeExtension.com.example.crm");
  const got = await ada.api(`${task}/extensions/com.example.crm`).get();
  assert.deepEqual([got.customer, got.tags], [42, ["a", "b"]]);
  const replaced = await ada.api(`${task}/extensions/com.example.crm`).patch({ stage: "won" });
  assert.deepEqual([replaced.customer, replaced.stage], [undefined, "won"]);
  const expanded = await ada.api(task).expand("extensions($filter=id eq 'com.example.crm')").get();
  assert.equal(expanded.extensions[0].stage, "won");
  await ada.api(`${task}/extensions/com.example.crm`).delete();
});
