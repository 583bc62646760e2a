// The two ways to point @microsoft/microsoft-graph-client at Duly.

import { Client, HTTPMessageHandler, RetryHandler } from "@microsoft/microsoft-graph-client";

/**
 * overTLS is for a server behind https, as in production. The client sends the
 * token to hosts of Microsoft's alone unless customHosts names others (host
 * names, without scheme and port).
 *
 * @param {string} url such as "https://todo.example.org/"
 * @param {() => Promise<string>} getAccessToken
 */
export function overTLS(url, getAccessToken) {
  return Client.initWithMiddleware({
    baseUrl: url,
    authProvider: { getAccessToken },
    customHosts: new Set([new URL(url).hostname]),
  });
}

/**
 * overPlainHTTP is for a server on http, as in development. There the client
 * silently sends no token, whatever customHosts says, so a middleware of our
 * own takes the place of its AuthenticationHandler.
 *
 * @param {string} url such as "http://127.0.0.1:8080/"
 * @param {() => Promise<string>} getAccessToken
 * @param {"v1.0" | "beta"} version
 */
export function overPlainHTTP(url, getAccessToken, version = "v1.0") {
  return Client.initWithMiddleware({
    baseUrl: url,
    defaultVersion: version,
    middleware: [new PlainHTTP(getAccessToken), new RetryHandler(), new HTTPMessageHandler()],
  });
}

/** PlainHTTP makes up for what the client does on https only. */
export class PlainHTTP {
  constructor(getAccessToken) {
    this.getAccessToken = getAccessToken;
  }

  setNext(next) {
    this.next = next;
  }

  async execute(context) {
    context.options.headers = { ...context.options.headers, Authorization: `Bearer ${await this.getAccessToken()}` };
    // Nor does it take http:// for the start of an absolute URL, and puts its
    // base before a nextLink or deltaLink: that comes off again.
    context.request = context.request.replace(/^http:\/\/[^/]+\/[^/]+\/(?=http:\/\/)/, "");
    await this.next.execute(context);
  }
}
