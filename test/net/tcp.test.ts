import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { connectTcp } from "../../src/net/tcp.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";

async function listen(t: TestContext, where: { host: string; port: number } | { path: string }) {
  const server = createServer((socket) => socket.end("hello"));
  server.listen(where);
  await once(server, "listening");
  afterwards(t, () => server.close());
  return server;
}

const forever = () => new AbortController().signal;

async function read(socket: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("connects to an address and a port", async (t) => {
  const server = await listen(t, { host: "127.0.0.1", port: 0 });
  const { port } = server.address() as AddressInfo;
  const socket = await connectTcp({ host: "127.0.0.1", port }, { signal: forever() });
  assert.equal(await read(socket), "hello");
});

test("connects to a UNIX socket", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tcp-"));
  afterwards(t, () => rm(folder, { recursive: true }));
  const path = join(folder, "socket");
  await listen(t, { path });
  assert.equal(await read(await connectTcp({ path }, { signal: forever() })), "hello");
});

test("looks a name up with the resolver and tries its addresses in turn", async (t) => {
  const server = await listen(t, { host: "127.0.0.1", port: 0 });
  const { port } = server.address() as AddressInfo;
  const hosts = { "hub.internal": ["127.99.99.99", "127.0.0.1"] };
  const resolver = createDnsResolver({ clock: createFakeClock(), servers: [], hosts });
  const options = { signal: forever(), resolver };
  assert.equal(await read(await connectTcp({ host: "hub.internal", port }, options)), "hello");
});

test("says what is away when nobody listens, when a name is unknown, and for a bare name", async (t) => {
  const server = await listen(t, { host: "127.0.0.1", port: 0 });
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const resolver = createDnsResolver({ clock: createFakeClock(), servers: [] });
  const options = { signal: forever(), dependency: "hub" };
  const isAway = (error: unknown) => error instanceof Unavailable && error.dependency === "hub";
  await assert.rejects(connectTcp({ host: "127.0.0.1", port }, options), isAway);
  await assert.rejects(connectTcp({ host: "hub.internal", port }, options), isAway);
  const named = { ...options, resolver };
  await assert.rejects(connectTcp({ host: "hub.internal", port }, named), isAway);
});

test("gives up when the signal aborts", async (t) => {
  const server = await listen(t, { host: "127.0.0.1", port: 0 });
  const { port } = server.address() as AddressInfo;
  const leaving = new AbortController();
  const connecting = connectTcp({ host: "127.0.0.1", port }, { signal: leaving.signal });
  leaving.abort(new Error("client left"));
  await assert.rejects(connecting, /client left/);
  const gone = connectTcp({ host: "127.0.0.1", port }, { signal: AbortSignal.abort() });
  await assert.rejects(gone, Unavailable);
});
