// Runs the server that is tested, the binary of DULY_BIN, with a certificate of
// its own authority and nobody in it yet.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// The settings of the person who runs the tests are none of the server's.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("DULY_")));

/** start runs a server; setupLink is where it wants the first account to be made. */
export async function start() {
  const binary = process.env.DULY_BIN;
  if (!binary) {
    throw new Error("Set DULY_BIN to the binary to test, or run make compat.");
  }
  const data = await mkdtemp(join(tmpdir(), "duly-browser-"));
  const server = spawn(binary, ["serve", "--tls", "local", "--listen", "localhost:0", "--log-level", "error", "--data", data], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = async () => {
    if (server.exitCode === null) {
      server.kill();
      await once(server, "exit");
    }
    await rm(data, { recursive: true });
  };

  /** run is what a command of Duly prints, with input on its standard input. */
  const run = (args, input = "") =>
    new Promise((resolve, reject) => {
      const child = execFile(binary, [...args, "--data", data], { env }, (error, out) => (error ? reject(error) : resolve(out)));
      child.stdin.end(input);
    });

  try {
    const { url, setupLink } = await greeting(server);
    return {
      url,
      setupLink,
      stop,
      run,

      async addUser(name, displayName, password) {
        await run(["user", "add", name, "--display-name", displayName]);
        await run(["user", "password", name, "--stdin"], password + "\n");
      },

      /** addApp registers an application; it returns its client id and the tenant's id. */
      async addApp(name, ...flags) {
        const out = await run(["app", "add", name, ...flags]);
        return { id: out.match(/^Client id: +(\S+)$/m)[1], tenant: out.match(/^Tenant id: +(\S+)$/m)[1] };
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** greeting reads what the server says first. */
async function greeting(server) {
  let url;
  for await (const line of createInterface({ input: server.stdout })) {
    url ??= line.match(/^Duly listens on (\S+)$/)?.[1];
    if (/^https:\S+\/setup\//.test(line)) {
      server.stdout.resume();
      return { url, setupLink: line };
    }
  }
  throw new Error("duly serve ended before it said where it is");
}
