import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { TurnWriter } from "../../src/smtp/turn-writer.ts";
import { afterwards } from "../support/afterwards.ts";

const turn = new TurnWriter();

/** Both ends of a connection. */
async function pairFor(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  await once(near, "connect");
  server.close();
  afterwards(t, () => {
    near.destroy();
    far.destroy();
  });
  return { near, far };
}

/** All that the other end says until it closes. */
async function wordsOf(far: Socket): Promise<string> {
  let text = "";
  far.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  await once(far, "close");
  return text;
}

test("octets wait for the end of the turn, and leave in the order in which they were given", async (t) => {
  const { near, far } = await pairFor(t);
  turn.write(near, "one ");
  turn.write(near, Buffer.from("two "));
  const left = new Promise((resolve) => near.write("a block ", resolve));
  turn.write(near, "three");
  assert.equal(near.writableLength, "one two a block three".length);
  await left;
  assert.equal(near.writableLength, 0);
  turn.write(near, ", and another turn");
  await nextTurn();
  assert.equal(near.writableLength, 0);
  near.end();
  assert.equal(await wordsOf(far), "one two a block three, and another turn");
});

test("what was said in the turn in which a connection ends is still sent", async (t) => {
  const { near, far } = await pairFor(t);
  turn.write(near, "250 ok\r\n");
  turn.write(near, "421 bye\r\n");
  near.end();
  assert.equal(await wordsOf(far), "250 ok\r\n421 bye\r\n");
});

test("of what was said in the turn in which a socket is destroyed nothing leaves", async (t) => {
  const { near, far } = await pairFor(t);
  const other = await pairFor(t);
  turn.write(near, "never");
  const block = new Promise((resolve) => near.write("never either", resolve));
  turn.write(other.near, "all of it");
  near.destroy();
  assert.match(String(await block), /destroyed/);
  other.near.end();
  assert.equal(await wordsOf(other.far), "all of it", "another's end is not ours");
  assert.equal(far.bytesRead, 0);
});

test("a socket that the other end has reset loses its words and harms no other", async (t) => {
  const { near, far } = await pairFor(t);
  const other = await pairFor(t);
  near.on("error", () => {});
  const closed = new Promise((resolve) => near.on("close", resolve));
  far.resetAndDestroy();
  turn.write(near, "into the void");
  turn.write(other.near, "all of it");
  await closed;
  other.near.end();
  assert.equal(await wordsOf(other.far), "all of it");
});

test("who reads nothing fills the socket, and it tells when there is room again", async (t) => {
  const { near, far } = await pairFor(t);
  turn.write(near, "x".repeat(near.writableHighWaterMark + 1));
  assert.equal(near.writableNeedDrain, true, "before the turn is over");
  const drained = once(near, "drain");
  far.resume();
  await drained;
  assert.equal(near.writableNeedDrain, false);
});
