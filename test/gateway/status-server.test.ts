import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createStatusServer } from "../../src/gateway/status-server.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

const SECOND = 1000;
/** More than the buffers of both kernels take. */
const LARGE = "x".repeat(32 * 1024 * 1024);

async function start(t: TestContext, text = "up 1\n") {
  const clock = createFakeClock();
  const server = createStatusServer(
    async () => ({ type: "text/plain", text }),
    async () => ({ ready: false, reasons: ["draining"] }),
    clock,
  );
  const { port } = await server.listen("127.0.0.1", 0);
  afterwards(t, () => server.close());
  const open = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    const before = clock.pendingTimers();
    await once(socket, "connect");
    await waitUntil(
      () => "the server has not seen the connection",
      () => clock.pendingTimers() > before,
    );
    return socket;
  };
  const ask = async (request: string): Promise<string> => {
    const socket = await open();
    socket.write(`${request} HTTP/1.1\r\nHost: mx1.example.org\r\n\r\n`);
    return (await socket.toArray()).join("");
  };
  return { clock, open, ask };
}

test("health, readiness and metrics are told to GET and HEAD, one a connection", async (t) => {
  const { ask } = await start(t);
  assert.match(await ask("GET /healthz"), /^HTTP\/1\.1 200 .*\r\nok\n/s);
  assert.match(await ask("GET /readyz"), /^HTTP\/1\.1 503 .*"draining"/s);
  assert.match(await ask("GET /metrics"), /connection: close.*\r\nup 1\n/s);
  assert.match(await ask("HEAD /metrics"), /^HTTP\/1\.1 200 .*\r\n\r\n$/s);
  for (const path of ["/", "/metrics/../x", "//metrics", "*"])
    assert.match(await ask(`GET ${path}`), /^HTTP\/1\.1 404 /, path);
  for (const method of ["POST", "DELETE", "TRACE", "OPTIONS"])
    assert.match(await ask(`${method} /metrics`), /^HTTP\/1\.1 405 /, method);
});

test("whoever asks slowly, or does not read, keeps his place for ten seconds", async (t) => {
  const { clock, open } = await start(t, LARGE);
  const silent = await open();
  const slow = await open();
  slow.write("GET /healthz HTTP/1.1\r\nHost: x\r\n");
  const deaf = await open();
  deaf.pause();
  deaf.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(deaf, "readable");
  await clock.advance(10 * SECOND - 1);
  assert.equal(clock.pendingTimers(), 3, "all three are still there");
  const gone = Promise.all([silent, slow].map((socket) => once(socket.resume(), "close")));
  await clock.advance(1);
  await gone;
  let read = 0;
  for await (const chunk of deaf) read += (chunk as Buffer).length;
  assert.ok(read < LARGE.length, "the rest of its answer is dropped");
  assert.equal(clock.pendingTimers(), 0);
});
