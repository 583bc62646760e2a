// Runs the server that is tested: the binary of DULY_BIN, with data of its own.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

// The settings of the person who runs the tests are none of the server's.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("DULY_")));

/** start runs a server with two users, ada and ben; options are flags of "duly serve". */
export async function start(...options) {
  const binary = process.env.DULY_BIN;
  if (!binary) {
    throw new Error("Set DULY_BIN to the binary to test, or run make compat.");
  }
  const data = await mkdtemp(join(tmpdir(), "duly-compat-"));
  try {
    return await serve(binary, data, options);
  } catch (error) {
    await rm(data, { recursive: true });
    throw error;
  }
}

async function serve(binary, data, options) {
  await run(binary, ["user", "add", "ada@example.org", "--display-name", "Ada Lovelace", "--data", data], { env });
  await run(binary, ["user", "add", "ben@example.org", "--data", data], { env });
  const users = JSON.parse((await run(binary, ["user", "list", "--json", "--data", data], { env })).stdout);

  const server = spawn(binary, ["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data", data, ...options], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(createInterface({ input: server.stdout }), "line"),
    once(server, "exit").then(([status]) => Promise.reject(new Error(`duly serve ended with status ${status}`))),
  ]);
  return {
    url: line.match(/http:\S+/)[0] + "/",
    ada: users.find((user) => user.userPrincipalName === "ada@example.org"),
    ben: users.find((user) => user.userPrincipalName === "ben@example.org"),

    /** token makes an access token for a user. */
    async token(user, scope = "Tasks.ReadWrite User.ReadWrite") {
      const { stdout } = await run(binary, ["token", "--user", user.id, "--scope", scope, "--data", data], { env });
      return stdout.trim();
    },

    async stop() {
      server.kill();
      await once(server, "exit");
      await rm(data, { recursive: true });
    },
  };
}
