// Signs in with @azure/msal-browser as it is, through the pages of Duly.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serve } from "../application.js";
import { launch } from "../browser.js";
import { start } from "../server.js";

const [ada, password] = ["ada@example.org", "correct horse battery"];
const tasks = "https://graph.microsoft.com/Tasks.ReadWrite";
const profile = "https://graph.microsoft.com/User.Read";

let duly, application, browser, client;

before(async () => {
  [duly, application, browser] = await Promise.all([start(), serve(), launch()]);
  await duly.addUser(ada, "Ada Lovelace", password);
  const redirects = ["localhost", "127.0.0.1"].flatMap((host) => ["", "signed-in"].map((path) => `--redirect-uri=${home(host)}${path}`));
  client = await duly.addApp("Planner", "--spa", ...redirects);
});

after(async () => {
  await browser?.close();
  await Promise.all([duly?.stop(), application?.stop()]);
});

const home = (host) => `https://${host}:${application.port}/`;

/** settings are those of docs/identity.md, with the page that takes answers and the mode to test. */
function settings(protocolMode, host) {
  const authority = `${duly.url}/${client.tenant}` + (protocolMode === "OIDC" ? "/v2.0" : "");
  return {
    auth: { clientId: client.id, authority, knownAuthorities: [new URL(duly.url).host], redirectUri: `${home(host)}signed-in`, postLogoutRedirectUri: home(host) },
    system: { protocolMode },
  };
}

/** open opens the application and waits until the library has started. */
async function open(context, protocolMode, host = "localhost") {
  const page = await context.newPage();
  await page.goto(`${home(host)}?settings=${encodeURIComponent(JSON.stringify(settings(protocolMode, host)))}`);
  await page.evaluate("ready");
  return page;
}

/** token asks the library for a token without the person; an error becomes its code. */
const token = (page, request) =>
  page.evaluate(async (request) => {
    try {
      const { accessToken, fromCache, scopes, account } = await app.acquireTokenSilent({ account: app.getAllAccounts()[0], ...request });
      return { accessToken, fromCache, scopes, username: account.username };
    } catch (error) {
      return { code: error.errorCode };
    }
  }, request);

/** sso signs in without the person in a hidden frame; an error becomes its code. */
const sso = (page) =>
  page.evaluate(
    (request) => app.ssoSilent(request).then((answer) => ({ username: answer.account.username }), (error) => ({ code: error.errorCode })),
    { scopes: [tasks], loginHint: ada },
  );

/** api calls Graph from the page, as a page of another origin does. */
const api = (page, accessToken, method, path, body) =>
  page.evaluate(
    async ([url, accessToken, method, body]) => {
      const answer = await fetch(url, { method, headers: { Authorization: `Bearer ${accessToken}`, "Content-Type": "application/json" }, body });
      return { status: answer.status, id: answer.headers.get("request-id"), body: await answer.json() };
    },
    [`${duly.url}/v1.0/me/todo/lists/Tasks/tasks${path}`, accessToken, method, body && JSON.stringify(body)],
  );

for (const mode of ["AAD", "OIDC"]) {
  test(`msal-browser in the mode ${mode}`, { timeout: 120_000 }, async (t) => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    t.after(() => context.close());
    const page = await open(context, mode);
    assert.deepEqual(await sso(page), { code: "login_required" }, "before the sign-in");

    await page.evaluate((request) => void app.loginRedirect(request), { scopes: [tasks], extraScopesToConsent: [profile], state: "where I was" });
    await page.getByLabel("Name").fill(ada);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    if (mode === "AAD") {
      await page.getByRole("button", { name: "Allow" }).click();
    }
    await page.waitForURL((url) => url.port === String(application.port) && url.pathname === "/");
    await page.evaluate("ready");
    const { state, account } = await page.evaluate("answer");
    assert.deepEqual([state, account.username, account.name, account.tenantId], ["where I was", ada, "Ada Lovelace", client.tenant]);

    const first = await token(page, { scopes: [tasks] });
    assert.deepEqual([first.fromCache, first.username, first.scopes.includes(tasks)], [true, ada, true]);
    const fresh = await token(page, { scopes: [tasks], forceRefresh: true });
    assert.equal(fresh.fromCache, false);
    assert.notEqual(fresh.accessToken, first.accessToken);
    const other = await token(page, { scopes: [profile] });
    assert.ok(other.scopes.includes(profile), `another scope: ${JSON.stringify(other)}`);
    assert.deepEqual(await token(page, { scopes: ["https://graph.microsoft.com/MailboxSettings.Read"] }), { code: "invalid_scope" }, "a scope that the application is not registered for");

    const made = await api(page, fresh.accessToken, "POST", "", { title: `Made in ${mode}` });
    assert.equal(made.status, 201);
    assert.ok(made.id, "the page may not read request-id");
    const list = await api(page, fresh.accessToken, "GET", "?$select=title");
    assert.ok(list.body.value.some(({ title }) => title === `Made in ${mode}`));
    assert.equal((await api(page, "not a token", "GET", "")).status, 401, "the page may not read errors");

    // A page that knows of no account finds the session of the browser on the
    // same site. On another site the cookie stays away.
    assert.deepEqual(await sso(await open(context, mode)), { username: ada });
    assert.deepEqual(await sso(await open(context, mode, "127.0.0.1")), { code: "login_required" });

    await page.evaluate(() => void app.logoutRedirect({ account: app.getAllAccounts()[0] }));
    await page.waitForURL(home("localhost") + "**");
    assert.deepEqual(await sso(await open(context, mode)), { code: "login_required" }, "after the sign-out");
  });
}
