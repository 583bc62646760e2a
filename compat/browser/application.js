// The single-page application that signs in, on an https server of its own.

import { createSign, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer } from "node:https";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const library = join(dirname(createRequire(import.meta.url).resolve("@azure/msal-browser")), "..", "lib");
const files = {
  "/msal-browser.js": join(library, "msal-browser.min.js"),
  "/msal-redirect-bridge.js": join(library, "redirect-bridge", "msal-redirect-bridge.min.js"),
};

// The page starts the library with the settings in its address. The answer to a
// redirect comes to /signed-in, which hands it on as the library's documentation
// says: to the page that asked, or to the frame's parent.
const pages = {
  "/": `<!doctype html><html lang="en"><title>Application</title><script src="/msal-browser.js"></script><script>
    const settings = JSON.parse(new URLSearchParams(location.search).get("settings"));
    const ready = msal.createStandardPublicClientApplication(settings).then(async (app) => {
      window.app = app;
      window.answer = await app.handleRedirectPromise();
    });
    </script>`,
  "/signed-in": `<!doctype html><html lang="en"><title>Signed in</title><script src="/msal-redirect-bridge.js"></script><script>
    msalRedirectBridge.broadcastResponseToMainFrame();
    </script>`,
};

/** serve starts the application on a free port of this machine. */
export async function serve() {
  const server = createServer(certificate(), (request, response) => {
    const { pathname } = new URL(request.url, "https://localhost");
    if (files[pathname]) {
      response.setHeader("Content-Type", "text/javascript");
      createReadStream(files[pathname]).pipe(response);
      return;
    }
    response.setHeader("Content-Type", "text/html");
    response.end(pages[pathname] ?? `<!doctype html><html lang="en"><title>Elsewhere</title>`);
  });
  server.listen(0);
  await once(server, "listening");
  return {
    port: server.address().port,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** certificate makes a key and a certificate that it signs itself, as X.509 version 1. */
function certificate() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = (tag, ...parts) => {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
    const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const sequence = (...parts) => der(0x30, ...parts);
  const time = (days) => der(0x17, new Date(Date.now() + days * 86_400_000).toISOString().replace(/^..|[-:T]|\....(?=Z)/g, ""));
  const ecdsaWithSHA256 = sequence(der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
  const name = sequence(der(0x31, sequence(der(0x06, [0x55, 0x04, 0x03]), der(0x0c, "localhost"))));
  const content = sequence(der(0x02, [1]), ecdsaWithSHA256, name, sequence(time(-1), time(7)), name, publicKey.export({ type: "spki", format: "der" }));
  const signature = createSign("sha256").update(content).sign(privateKey);
  const whole = sequence(content, ecdsaWithSHA256, der(0x03, [0], signature));
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    cert: `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
  };
}
