import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { test } from "node:test";
import { toProcessPort } from "../../src/base/process-port.ts";
import { readProxyHeader } from "../../src/smtp/proxied-arrival.ts";
import { createArrivals } from "../../src/workers/arrivals.ts";
import { keepFromReading } from "../../src/workers/handed-socket.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const TAKER = new URL("../support/socket-taker.ts", import.meta.url);
const LISTENER = { name: "internet", kind: "internet", hostname: "mx.test" } as const;

test("what a client says behind its PROXY header is left to the process that is handed its socket", async () => {
  const taker = fork(TAKER);
  const port = toProcessPort(taker);
  const hand = (_about: unknown, socket: Socket) => port.send("socket" as never, socket);
  const arrivals = createArrivals(() => [{ name: "taker", channel: () => ({ hand }) }]);
  const sockets: Socket[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.push(socket);
    readProxyHeader(socket, createFakeClock(), (arrival) => {
      const client = { ip: "192.0.2.1", port: 1, listener: LISTENER };
      const head = arrival?.head ?? Buffer.alloc(0);
      arrivals.admit({ socket, client, head, isKnown: false, unknownBefore: 0 }, () => {});
    });
  });
  try {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    sockets.push(client);
    client.write("PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n");
    assert.deepEqual((await once(taker, "message"))[0], { heard: "socket" });
    await new Promise((resolve) => client.write("EHLO client\r\n", resolve));
    for (let turn = 0; turn < 10; turn++) {
      taker.send(`turn ${turn}`);
      await once(taker, "message");
    }
    taker.send("read");
    client.end();
    assert.deepEqual((await once(taker, "message"))[0], { read: "EHLO client\r\n" });
  } finally {
    for (const socket of sockets) socket.destroy();
    taker.kill();
    server.close();
  }
});

test("a socket whose process died on the way can be handed to another", () => {
  const socket = new Socket();
  keepFromReading(socket);
  keepFromReading(socket);
  socket.destroy();
});
