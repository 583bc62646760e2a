// Signs in with more than a password: codes of an authenticator app, and passkeys
// of Chromium's own authenticator. With SCREENSHOTS=DIR there are pictures as in
// pages.test.js.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { launch } from "../browser.js";
import { look } from "../look.js";
import { start } from "../server.js";

const password = "correct horse battery";

let duly, browser;

before(async () => {
  [duly, browser] = await Promise.all([start(), launch()]);
});

after(async () => {
  await browser?.close();
  await duly?.stop();
});

async function newPage(t, javaScriptEnabled = true) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => assert.fail(error));
  page.on("console", (message) => message.type() === "error" && assert.doesNotMatch(message.text(), /Content Security Policy/));
  return page;
}

/** newAuthenticator gives the browser a screen lock that is opened, with no passkeys. */
async function newAuthenticator(page) {
  const client = await page.context().newCDPSession(page);
  await client.send("WebAuthn.enable");
  const { authenticatorId } = await client.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: false },
  });
  return {
    /** touch lets the authenticator answer from now on, or no longer. */
    touch: (enabled) => client.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled }),
    credentials: async () => (await client.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
    verified: (isUserVerified) => client.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
  };
}

const press = (page, name) => page.getByRole("button", { name }).click();
const follow = (page, name) => page.getByRole("link", { name }).click();
const heading = (page, title) => page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();

async function signIn(page, name) {
  await page.goto(duly.url + "/account");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** code is what an authenticator app shows (RFC 6238), some periods from now. */
function code(key, periods = 0) {
  const bits = [...key].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((octet) => parseInt(octet, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + periods));
  const sum = createHmac("sha1", secret).update(counter).digest();
  return String((sum.readUInt32BE(sum[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

test("a passkey signs in by the button, by autofill, and no more once it is removed", { timeout: 240_000 }, async (t) => {
  await duly.addUser("grace@example.org", "Grace Hopper", password);
  const page = await newPage(t);
  const authenticator = await newAuthenticator(page);
  await signIn(page, "grace@example.org");
  await heading(page, "Your account");
  await follow(page, "Add a passkey");
  await heading(page, "Add a passkey");
  await look(page, "passkey-add");
  await page.getByLabel("What to call it").fill("Laptop with the stickers");
  await authenticator.touch(true);
  await press(page, "Make the passkey");
  await heading(page, "Your account");
  await page.getByText("Passkey: Laptop with the stickers").waitFor();
  const [made] = await authenticator.credentials();
  assert.equal(made.isResidentCredential, true);
  assert.equal(made.rpId, "localhost");
  await look(page, "account-passkey");

  await follow(page, "Add a passkey");
  await page.getByLabel("What to call it").fill("The same again");
  await press(page, "Make the passkey");
  await page.getByText("has a passkey for grace@example.org already").waitFor();

  await authenticator.touch(false);
  await page.goto(duly.url + "/common/oauth2/v2.0/logout");
  await page.goto(duly.url + "/account");
  await page.getByRole("button", { name: "Use a passkey" }).waitFor();
  await look(page, "sign-in-passkey");
  await authenticator.touch(true);
  await press(page, "Use a passkey");
  await heading(page, "Your account");
  await page.getByText("Grace Hopper").waitFor();
  assert.ok(await page.getByText(/last used/).count());

  await page.goto(duly.url + "/common/oauth2/v2.0/logout");
  await page.goto(duly.url + "/account"); // where the field for the name offers the passkey, and it is taken
  await heading(page, "Your account");

  await press(page, "Remove the passkey Laptop");
  await page.getByRole("heading", { level: 2, name: "How you sign in" }).waitFor();
  assert.equal(await page.getByText("Passkey: Laptop").count(), 0);
  await authenticator.touch(false);
  await page.goto(duly.url + "/common/oauth2/v2.0/logout");
  await page.goto(duly.url + "/account");
  await page.getByRole("button", { name: "Use a passkey" }).waitFor();
  await authenticator.touch(true);
  await press(page, "Use a passkey");
  await page.getByText("This passkey does not let you in here.").waitFor();
});

test("who closes the browser's dialogue is told, and the password still works", async (t) => {
  await duly.addUser("annie@example.org", "Annie Easley", password);
  const page = await newPage(t);
  const authenticator = await newAuthenticator(page);
  await page.goto(duly.url + "/account");
  await authenticator.verified(false);
  await authenticator.touch(true);
  await press(page, "Use a passkey");
  await page.getByText("No passkey was used.").waitFor();
  await look(page, "sign-in-passkey-failed");
  await signIn(page, "annie@example.org");
  await heading(page, "Your account");
});

for (const javaScript of [true, false]) {
  test(`an authenticator app ${javaScript ? "with" : "without"} JavaScript`, { timeout: 240_000 }, async (t) => {
    const name = javaScript ? "ada@example.org" : "alan@example.org";
    await duly.addUser(name, javaScript ? "Ada Lovelace" : "Alan Turing", password);
    const page = await newPage(t, javaScript);
    const see = (title) => (javaScript ? look(page, title) : undefined);
    await signIn(page, name);
    await heading(page, "Your account");
    if (!javaScript) {
      await follow(page, "Add a passkey");
      await page.getByText("passkeys need JavaScript").waitFor();
      await follow(page, "Back to your account");
    }
    await follow(page, "Set up an app");
    await heading(page, "Set up an authenticator app");
    await page.getByText("I cannot scan it").click();
    const key = await page.locator("output").innerText();
    assert.match(key, /^[A-Z2-7]{32}$/);
    await see("authenticator");
    await page.getByLabel(/^Code/).fill("000000");
    await press(page, "Turn on");
    await page.getByText("The code is not right.").waitFor();
    await see("authenticator-wrong");
    await page.getByLabel(/^Code/).fill(code(key));
    await press(page, "Turn on");
    await heading(page, "Keep your recovery codes");
    await see("recovery");
    const recovery = await page.getByRole("listitem").allInnerTexts();
    assert.equal(recovery.length, 10);
    await follow(page, "I have kept them");
    await page.getByText("Recovery codes left: 10.").waitFor();
    await see("account-authenticator");

    await page.goto(duly.url + "/common/oauth2/v2.0/logout");
    await signIn(page, name);
    await heading(page, "Enter your code");
    await see("code");
    await page.getByLabel("Code", { exact: true }).fill("123");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByText("The code is not right").waitFor();
    await page.getByText("I do not have the app at hand").click();
    await see("code-wrong");
    await page.getByLabel("Code", { exact: true }).fill(code(key, 1)); // the present one was used
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await heading(page, "Your account");

    await page.goto(duly.url + "/common/oauth2/v2.0/logout");
    await signIn(page, name);
    await page.getByText("I do not have the app at hand").click();
    await page.getByLabel("Recovery code").fill(recovery[3].toUpperCase());
    await press(page, "Sign in with the recovery code");
    await page.getByText("Recovery codes left: 9.").waitFor();
    await press(page, "Remove the authenticator app");
    await page.getByRole("link", { name: "Set up an app" }).waitFor();
    await follow(page, "Change the password");
    await heading(page, "Set your password");
    await see("password");
    await page.getByLabel("Password").first().fill(password + "!");
    await page.getByLabel("Password again").fill(password + "!");
    await press(page, "Set the password");
    await heading(page, "Your account");
  });
}
