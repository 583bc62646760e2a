// Walks through every page that Duly shows, as a person does, and looks at each
// in light and dark and at the widths of a phone and of a desk. With
// SCREENSHOTS=DIR there is a picture of each look in that folder.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { launch } from "../browser.js";
import { look } from "../look.js";
import { start } from "../server.js";

const [ada, password] = ["ada@example.org", "correct horse battery"];
const scopes = ["Tasks.ReadWrite", "Tasks.ReadWrite.Shared", "User.Read", "User.ReadBasic.All", "MailboxSettings.ReadWrite"];

const redirect = "http://localhost/back"; // where nobody answers

let duly, browser, native;

before(async () => {
  [duly, browser] = await Promise.all([start(), launch()]);
  await duly.run(["user", "add", ada, "--display-name", "Ada Lovelace"]);
  native = await duly.addApp("Planner for the living room", "--public", `--redirect-uri=${redirect}`, `--scope=${scopes.join(" ")}`);
});

after(async () => {
  await browser?.close();
  await duly?.stop();
});

/** authorize is the address with which the application asks for a sign-in. */
function authorize(more = {}) {
  const challenge = createHash("sha256").update(randomBytes(32)).digest("base64url");
  return `${duly.url}/common/oauth2/v2.0/authorize?` + new URLSearchParams({
    client_id: native.id, redirect_uri: redirect, response_type: "code", response_mode: "form_post",
    scope: scopes.join(" "), code_challenge: challenge, code_challenge_method: "S256", state: "s", ...more,
  });
}

/** deviceCode is what a device shows that asks for a sign-in. */
async function deviceCode(page) {
  const answer = await page.request.post(`${duly.url}/common/oauth2/v2.0/devicecode`, { form: { client_id: native.id, scope: scopes.join(" ") } });
  return (await answer.json()).user_code;
}

/** newPage opens a window with nothing remembered. What goes to the application is stopped, and the page stays. */
async function newPage(t, javaScriptEnabled) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled });
  t.after(() => context.close());
  await context.route(redirect + "*", (route) => route.abort("aborted"));
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

const press = (page, name) => page.getByRole("button", { name }).click();

async function signIn(page, name = ada, secret = password) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(secret);
  await press(page, "Sign in");
}

/** heading waits for the page that is called title. */
const heading = (page, title) => page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();

const nothing = async () => {};

/** walk visits every page. The last is the form with which a code goes back to the application. */
async function walk(page, look) {
  await page.goto(authorize({ client_id: "00000000-0000-4000-8000-000000000000" }));
  await heading(page, "That did not work");
  await look(page, "error");

  await page.goto(duly.url + "/account");
  await look(page, "sign-in");
  await signIn(page, ada, "not the password");
  await page.getByText("The name or the password is not right.").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), ada);
  await look(page, "wrong-password");
  await signIn(page);
  await heading(page, "Your account");
  await look(page, "account-empty");

  const device = await deviceCode(page);
  await page.goto(duly.url + "/devicelogin");
  await heading(page, "Enter the code");
  await look(page, "device");
  await page.getByLabel("Code").fill("BBBBBBBBB");
  await press(page, "Next");
  await page.getByText("That code is not known").waitFor();
  await look(page, "device-wrong");
  await page.getByLabel("Code").fill(device.toLowerCase());
  await press(page, "Next");
  await heading(page, "Sign in on a device?");
  await look(page, "device-confirm");
  await press(page, "Sign in");
  await heading(page, "You are signed in on the device");
  await look(page, "device-done");
  await page.goto(`${duly.url}/devicelogin?user_code=${await deviceCode(page)}`);
  await press(page, "Next");
  await press(page, "Cancel");
  await heading(page, "The device was not signed in");
  await look(page, "device-declined");

  await page.goto(duly.url + "/account");
  await page.getByLabel("What it is for").fill("Nightly copy of all lists to the archive");
  await press(page, "Make a token");
  await page.getByText(/^dulypat_/).waitFor();
  await look(page, "token-once");
  await page.goto(duly.url + "/account");
  assert.equal(await page.getByText(/^dulypat_/).count(), 0, "the token is shown twice");
  await look(page, "account");
  await press(page, "Take back the access of Planner");
  await press(page, "Remove the token Nightly copy");
  assert.equal(await page.getByRole("button", { name: /Remove the token|Take back/ }).count(), 0);

  await page.goto(authorize({ prompt: "select_account" }));
  await heading(page, "Choose an account");
  await look(page, "choose");
  await press(page, "Use another account");
  await heading(page, "Sign in");
  await page.goBack();
  await press(page, "Continue as");
  await heading(page, "Let Planner for the living room in?");
  await look(page, "consent");
}

test("the set-up link makes the first account", async (t) => {
  const page = await newPage(t, true);
  await page.goto(duly.setupLink);
  await look(page, "setup-first");
  await page.getByLabel("Name", { exact: false }).first().fill("root@example.org");
  await page.getByLabel("Your name").fill("Root");
  await page.getByLabel("Password").first().fill(password);
  await page.getByLabel("Password again").fill(password + "!");
  await press(page, "Make the account");
  await page.getByText("The two passwords are not the same.").waitFor();
  assert.equal(await page.getByLabel("Your name").inputValue(), "Root", "what was typed is gone");
  await look(page, "setup-wrong");
  await page.getByLabel("Password").first().fill(password);
  await page.getByLabel("Password again").fill(password);
  await press(page, "Make the account");
  await heading(page, "Your account");

  const link = (await duly.run(["user", "setup-link", ada, "--base-url", duly.url])).match(/https:\S+/)[0];
  await page.goto(link);
  await look(page, "setup");
  await page.getByLabel("Password").first().fill(password);
  await page.getByLabel("Password again").fill(password);
  await press(page, "Set the password");
  await page.getByText("Ada Lovelace").waitFor();
  await page.goto(link);
  await heading(page, "That did not work");
});

test("all pages", { timeout: 300_000 }, async (t) => {
  const page = await newPage(t, true);
  await walk(page, look);
  const sent = page.waitForRequest(redirect);
  await press(page, "Allow");
  assert.match((await sent).postData(), /\bcode=duly/, "the form has to go on by itself");
  await heading(page, "Almost there");
  await look(page, "form-post");
});

test("all pages without JavaScript", { timeout: 120_000 }, async (t) => {
  const page = await newPage(t, false);
  await walk(page, nothing);
  await press(page, "Cancel");
  await heading(page, "Almost there");
  assert.equal(await page.getByText("You are signed in").count(), 0, "it was declined");
  await page.goto(authorize());
  await press(page, "Allow");
  await heading(page, "Almost there");
  const sent = page.waitForRequest(redirect);
  await press(page, "Continue");
  assert.match((await sent).postData(), /\bcode=duly/);

  await page.goto(duly.url + "/common/oauth2/v2.0/logout");
  await heading(page, "You are signed out");
  await page.goto(duly.url + "/account");
  await heading(page, "Sign in");
});

test("with the keyboard alone", async (t) => {
  const page = await newPage(t, true);
  const to = async (name) => {
    for (let tabs = 0; tabs < 20; tabs++) {
      if (await page.getByRole("button", { name }).evaluate((button) => button === document.activeElement)) {
        return;
      }
      await page.keyboard.press("Tab");
    }
    assert.fail(`the button ${name} cannot be reached`);
  };
  await page.goto(authorize({ prompt: "consent", response_mode: "query" }));
  await heading(page, "Sign in");
  await page.keyboard.type(ada);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await heading(page, "Let Planner for the living room in?");
  await to("Cancel");
  await to("Allow");
  const sent = page.waitForRequest(/back\?.*code=/);
  await page.keyboard.press("Enter");
  await sent;
});

test("signing out, and too many attempts", async (t) => {
  const page = await newPage(t, true);
  await page.goto(duly.url + "/common/oauth2/v2.0/logout");
  await look(page, "signed-out");
  await page.goto(duly.url + "/account");
  const nobody = `nobody.${"x".repeat(200)}@example.org`;
  for (let attempt = 0; attempt < 10; attempt++) {
    await signIn(page, nobody, "not the password");
    await page.getByText("The name or the password is not right.").waitFor();
    assert.equal(await page.getByLabel("Name").inputValue(), nobody);
  }
  await signIn(page, nobody, "not the password");
  await page.getByText("There were too many attempts").waitFor();
  await look(page, "too-many");
});
