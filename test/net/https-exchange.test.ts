import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createServer, type TLSSocket } from "node:tls";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { createHttpsClient } from "../../src/net/https-exchange.ts";
import { isPublicIp } from "../../src/net/ip.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { startFakeDns } from "../support/fake-dns.ts";
import { makeCertificate } from "../support/made-certificate.ts";

const HOST = "www.example.org";

describe("one HTTPS request", () => {
  /** A server that says these octets to whoever asks. */
  async function setUp(
    t: TestContext,
    answer: (socket: TLSSocket) => void,
    { named = [HOST] } = {},
  ) {
    const identity = await makeCertificate(HOST, { names: named });
    const sockets = new Set<TLSSocket>();
    let heard = "";
    const server = createServer({ cert: identity.cert, key: identity.key }, (socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => {
        heard += chunk.toString("latin1");
        if (heard.includes("\r\n\r\n")) answer(socket);
      });
    });
    server.on("tlsClientError", () => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const dns = await startFakeDns({ [HOST]: { A: ["127.0.0.1"] } });
    const resolver = createDnsResolver({ clock: createFakeClock(), servers: [dns.address] });
    afterwards(t, async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      resolver.close();
      await dns.close();
    });
    const { port } = server.address() as AddressInfo;
    const ask = (
      isOwn = true,
      change: { readonly authorities?: readonly string[] } = {},
      signal: AbortSignal = new AbortController().signal,
    ) =>
      createHttpsClient({
        resolver,
        authorities: [identity.cert],
        isOwnHost: () => isOwn,
        ...change,
      }).exchange({ host: HOST, port, path: "/a?b", method: "GET", maxBytes: 1000 }, signal);
    return { ask, heard: () => heard };
  }
  const says = (text: string) => (socket: TLSSocket) => void socket.end(text);
  const OK =
    "HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=x\r\nContent-Length: 2\r\n\r\nhi";

  it("names the host, and tells status, type and body", async (t) => {
    const { ask, heard } = await setUp(t, says(OK));
    const outcome = await ask();
    assert.deepEqual(outcome, {
      kind: "answered",
      status: 200,
      contentType: "text/plain",
      body: Buffer.from("hi"),
    });
    assert.match(heard(), /^GET \/a\?b HTTP\/1\.1\r\n/);
    assert.match(heard(), new RegExp(`^host: ${HOST}:\\d+\r$`, "m"));
  });

  it("follows nobody elsewhere", async (t) => {
    const moved = "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    const { ask } = await setUp(t, says(moved));
    const outcome = await ask();
    assert.equal(outcome.kind === "answered" && outcome.status, 302);
  });

  it("takes no answer that is too long, cut off, or none at all", async (t) => {
    for (const answer of [
      `HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n${"x".repeat(1001)}`,
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${"x".repeat(1001)}\r\n0\r\n\r\n`,
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
      "220 not HTTP at all\r\n",
      "",
    ]) {
      const { ask } = await setUp(t, says(answer));
      const outcome = await ask();
      assert.equal(outcome.kind === "failed" && outcome.why, "answer", answer.slice(0, 80));
    }
  });

  it("says nothing to a server that is not who it should be", async (t) => {
    const { ask, heard } = await setUp(t, says(OK));
    const other = await makeCertificate("other.example");
    const outcome = await ask(true, { authorities: [other.cert] });
    assert.equal(outcome.kind === "failed" && outcome.why, "certificate");
    assert.equal(heard(), "");
  });

  it("asks nothing of a certificate with the right common name alone, whatever the environment says", async (t) => {
    const { ask, heard } = await setUp(t, says(OK), { named: [] });
    const outcome = await ask();
    assert.equal(outcome.kind === "failed" && outcome.why, "certificate");
    assert.equal(heard(), "");
    const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env;
    afterwards(t, () => {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    });
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    const other = await setUp(t, says(OK));
    const unknown = await makeCertificate("other.example");
    const trusted = await other.ask(true, { authorities: [unknown.cert] });
    assert.equal(trusted.kind === "failed" && trusted.why, "certificate");
  });

  it("goes to no address that only we can reach, unless the operator named the host", async (t) => {
    const { ask, heard } = await setUp(t, says(OK));
    const outcome = await ask(false);
    assert.equal(outcome.kind === "failed" && outcome.why, "address");
    assert.equal(heard(), "");
  });

  it("ends with its signal, however long the server takes", async (t) => {
    const stop = new AbortController();
    const { ask } = await setUp(t, (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nh");
      stop.abort(new Error("enough"));
    });
    const outcome = await ask(true, {}, stop.signal);
    assert.deepEqual(outcome, { kind: "failed", why: "answer", reason: "enough" });
  });
});

describe("an address that anybody may have", () => {
  it("is not private, local, special, nor one that embeds such a one", () => {
    for (const text of ["192.0.32.7", "8.8.8.8", "2606:4700::1", "2a00:1450::5"])
      assert.ok(isPublicIp(text), text);
    for (const text of [
      "127.0.0.1",
      "127.9.9.9",
      "0.0.0.0",
      "10.0.0.1",
      "172.16.0.1",
      "192.168.1.1",
      "169.254.169.254",
      "100.64.0.1",
      "224.0.0.1",
      "255.255.255.255",
      "240.0.0.1",
      "::",
      "::1",
      "fe80::1",
      "fe80::1%eth0",
      "fc00::1",
      "fd12::1",
      "ff02::1",
      "::ffff:127.0.0.1",
      "::ffff:10.0.0.1",
      "64:ff9b::7f00:1",
      "2002:7f00:1::",
      "::7f00:1",
      "4000::1",
      "localhost",
      "",
    ])
      assert.ok(!isPublicIp(text), text);
  });
});
