// Gets tokens with each library and creates a task with each token. The Go test
// beside this folder starts the server, and a person who answers the pages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientCertificateCredential, ClientSecretCredential, DeviceCodeCredential, EnvironmentCredential } from "@azure/identity";
import { ConfidentialClientApplication, CryptoProvider, PublicClientApplication } from "@azure/msal-node";
import * as oidc from "openid-client";

const { DULY_URL: base, DULY_PERSON: person, DULY_TENANT: tenant } = process.env;
const { DAEMON_ID, DAEMON_SECRET, DAEMON_PEM, DAEMON_THUMBPRINT, DAEMON_KEY, NATIVE_ID, WEB_ID, WEB_SECRET } = process.env;
const defaultScope = "https://graph.microsoft.com/.default";
const taskScope = "https://graph.microsoft.com/Tasks.ReadWrite";
const redirect = "http://localhost/callback";
const timeout = 60_000;

async function createTask(token, who = "me") {
  const answer = await fetch(`${base}/v1.0/${who}/todo/lists/Tasks/tasks`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ title: "Signed in" }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  assert.equal((await answer.json()).title, "Signed in");
}
const asApp = (token) => createTask(token, "users/adele@example.org");

// ask has the person do something, and returns the address that the browser leaves for.
async function ask(what, parameters) {
  const answer = await fetch(`${person}/${what}?${new URLSearchParams(parameters)}`);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return text;
}
const open = (url) => ask("open", { url, until: redirect });
const approve = (page, code) => ask("approve", { page, code });

const authority = { authorityHost: base, disableInstanceDiscovery: true };

test("@azure/identity: client secret", { timeout }, async () => {
  const { token } = await new ClientSecretCredential(tenant, DAEMON_ID, DAEMON_SECRET, authority).getToken(defaultScope);
  await asApp(token);
});

test("@azure/identity: certificate", { timeout }, async () => {
  for (const sendCertificateChain of [false, true]) {
    const credential = new ClientCertificateCredential(tenant, DAEMON_ID, { certificatePath: DAEMON_PEM }, { ...authority, sendCertificateChain });
    await asApp((await credential.getToken(defaultScope)).token);
  }
});

test("@azure/identity: environment with the tenant adfs", { timeout }, async () => {
  Object.assign(process.env, { AZURE_AUTHORITY_HOST: base, AZURE_TENANT_ID: "adfs", AZURE_CLIENT_ID: DAEMON_ID, AZURE_CLIENT_SECRET: DAEMON_SECRET });
  await asApp((await new EnvironmentCredential().getToken(defaultScope)).token);
});

test("@azure/identity: device code", { timeout }, async () => {
  const credential = new DeviceCodeCredential({
    ...authority, tenantId: tenant, clientId: NATIVE_ID,
    userPromptCallback: ({ message, userCode, verificationUri }) => {
      assert.ok(message.includes(userCode));
      approve(verificationUri, userCode);
    },
  });
  await createTask((await credential.getToken(taskScope)).token);
});

for (const protocolMode of ["AAD", "OIDC"]) {
  const auth = { authority: protocolMode === "AAD" ? `${base}/${tenant}` : `${base}/${tenant}/v2.0`, knownAuthorities: [new URL(base).host] };
  const system = { protocolMode };

  test(`msal-node ${protocolMode}: secret and certificate`, { timeout }, async () => {
    const clientCertificate = { thumbprintSha256: DAEMON_THUMBPRINT, privateKey: DAEMON_KEY };
    for (const proof of [{ clientSecret: DAEMON_SECRET }, { clientCertificate }]) {
      const app = new ConfidentialClientApplication({ auth: { ...auth, clientId: DAEMON_ID, ...proof }, system });
      await asApp((await app.acquireTokenByClientCredential({ scopes: [defaultScope] })).accessToken);
    }
  });

  test(`msal-node ${protocolMode}: code, cache, forced refresh and other scopes`, { timeout }, async () => {
    const app = new ConfidentialClientApplication({ auth: { ...auth, clientId: WEB_ID, clientSecret: WEB_SECRET }, system });
    const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
    const scopes = [taskScope, "User.Read"];
    const url = await app.getAuthCodeUrl({ scopes, redirectUri: redirect, codeChallenge: challenge, codeChallengeMethod: "S256", state: "st&te", nonce: "n0" });
    const back = new URL(await open(url));
    assert.equal(back.searchParams.get("state"), "st&te");
    const result = await app.acquireTokenByCode({ code: back.searchParams.get("code"), scopes, redirectUri: redirect, codeVerifier: verifier, nonce: "n0" });
    assert.equal(result.account.username, "adele@example.org");
    await createTask(result.accessToken);
    const cached = await app.acquireTokenSilent({ account: result.account, scopes });
    assert.equal(cached.accessToken, result.accessToken);
    const fresh = await app.acquireTokenSilent({ account: result.account, scopes, forceRefresh: true });
    assert.notEqual(fresh.accessToken, result.accessToken);
    await createTask(fresh.accessToken);
    const other = await app.acquireTokenSilent({ account: result.account, scopes: ["User.Read"], forceRefresh: true });
    assert.deepEqual(other.scopes.filter((s) => s.includes(".")), ["User.Read"]);
  });

  test(`msal-node ${protocolMode}: interactive and device code`, { timeout }, async () => {
    const app = new PublicClientApplication({ auth: { ...auth, clientId: NATIVE_ID }, system });
    const result = await app.acquireTokenInteractive({
      scopes: [taskScope],
      openBrowser: async (url) => { ask("open", { url, until: "-" }); },
    });
    await createTask(result.accessToken);
    const device = await app.acquireTokenByDeviceCode({
      scopes: [taskScope],
      deviceCodeCallback: ({ verificationUri, userCode }) => { approve(verificationUri, userCode); },
    });
    await createTask(device.accessToken);
  });
}

test("openid-client: code, userinfo, refresh, revocation, introspection", { timeout }, async () => {
  const config = await oidc.discovery(new URL(`${base}/${tenant}/v2.0`), WEB_ID, WEB_SECRET);
  const verifier = oidc.randomPKCECodeVerifier();
  const expectedNonce = oidc.randomNonce();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirect, scope: "openid profile offline_access Tasks.ReadWrite", nonce: expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const back = new URL(await open(url.href));
  const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedNonce });
  await createTask(tokens.access_token);
  assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).name, "Adele Vance");
  const fresh = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  await createTask(fresh.access_token);
  assert.equal((await oidc.tokenIntrospection(config, fresh.access_token)).active, true);
  await oidc.tokenRevocation(config, fresh.refresh_token);
  await assert.rejects(oidc.refreshTokenGrant(config, fresh.refresh_token));
});

test("openid-client: device and client credentials", { timeout }, async () => {
  const native = await oidc.discovery(new URL(`${base}/${tenant}/v2.0`), NATIVE_ID, undefined, oidc.None());
  const device = await oidc.initiateDeviceAuthorization(native, { scope: "openid Tasks.ReadWrite" });
  await approve(device.verification_uri, device.user_code);
  await createTask((await oidc.pollDeviceAuthorizationGrant(native, device)).access_token);
  const daemon = await oidc.discovery(new URL(`${base}/${tenant}/v2.0`), DAEMON_ID, DAEMON_SECRET);
  await asApp((await oidc.clientCredentialsGrant(daemon, { scope: defaultScope })).access_token);
});
