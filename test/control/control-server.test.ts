import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { Unavailable } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { callControl, isListening } from "../../src/control/call-control.ts";
import { type ControlCommand, ControlError, MAX_REQUEST_BYTES } from "../../src/control/control.ts";
import { type ControlServer, createControlServer } from "../../src/control/control-server.ts";

const clock = createSystemClock();
const log = createSilentLog();
let root = "";
let server: ControlServer;
let path = "";
let ended = 0;

const commands = new Map<string, ControlCommand>([
  [
    "echo",
    async function* (args) {
      yield args;
    },
  ],
  [
    "many",
    async function* () {
      try {
        for (let i = 0; i < 100_000; i++) yield { i, text: "x".repeat(100) };
      } finally {
        ended++;
      }
    },
  ],
  [
    "halfway",
    async function* () {
      yield 1;
      throw new ControlError("refused", "no further");
    },
  ],
  [
    "away",
    // biome-ignore lint/correctness/useYield: it fails at once
    async function* () {
      throw new Unavailable("tracking", "disk on fire");
    },
  ],
  [
    "bug",
    // biome-ignore lint/correctness/useYield: it fails at once
    async function* () {
      throw new TypeError("undefined is not a function");
    },
  ],
]);

before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-control-"));
  path = join(root, "data", "control.sock");
  server = await createControlServer({ path, commands, log, clock });
});
after(async () => {
  await server.close();
  await rm(root, { recursive: true });
});

const call = (command: string, args: unknown = {}, timeoutMs = 20_000) =>
  callControl(path, { command, args }, { timeoutMs, clock });

/** Everything the server says to these octets, until it ends. */
async function say(octets: string | Buffer): Promise<string> {
  const socket = connect(path);
  socket.on("error", () => {});
  socket.write(octets);
  let said = "";
  socket.on("data", (chunk) => {
    said += chunk;
  });
  await once(socket, "close");
  return said;
}

describe("control socket", () => {
  test("socket and folder are for the owner only", async () => {
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(root, "data"))).mode & 0o777, 0o700);
  });

  test("arguments and results pass unchanged, hostile text and many results included", async () => {
    const args = {
      text: "line\nbreak \u2028 \u202e \u0000 \ud800",
      nested: [null, { deep: true }],
    };
    assert.deepEqual(await call("echo", args), [args]);
    assert.equal((await call("many")).length, 100_000);
  });

  test("an error comes with its code, also after some results", async () => {
    await assert.rejects(call("halfway"), { code: "refused", message: "no further" });
    await assert.rejects(call("away"), { code: "unavailable", message: "tracking: disk on fire" });
    await assert.rejects(call("bug"), { name: "ControlError", code: "failed" });
    for (const name of ["nothing", "__proto__", "toString", ""])
      await assert.rejects(call(name), { code: "unknown-command" });
  });

  test("rubbish is answered with an error and does no harm", async () => {
    for (const rubbish of [
      "\n",
      "hello\n",
      "[]\n",
      "null\n",
      '{"command": 7}\n',
      "\u0000\u0001\n",
      '{"a":1}\n',
    ])
      assert.match(await say(rubbish), /"code":"bad-request"/, JSON.stringify(rubbish));
    assert.match(await say(Buffer.alloc(MAX_REQUEST_BYTES * 2, 0x20)), /at most 65536 octets|^$/);
    assert.equal(await isListening(path), true);
    assert.deepEqual(await call("echo", 1), [1]);
  });

  test("only the first line is a request", async () => {
    const said = await say('{"command":"echo","args":1}\n{"command":"echo","args":2}\n');
    assert.deepEqual(said.trim().split("\n"), ['{"result":1}', '{"done":true}']);
  });

  test("a client that leaves in the middle ends its command and nobody else's", async () => {
    const before = ended;
    const socket = connect(path);
    socket.write('{"command":"many"}\n');
    await once(socket, "data");
    socket.destroy();
    assert.deepEqual(await call("echo", 1), [1]);
    const deadline = clock.monotonic() + 10_000;
    while (ended === before && clock.monotonic() < deadline) await new Promise(setImmediate);
    assert.equal(ended, before + 1);
  });

  test("nobody listens: not-running, for a missing and for a stale socket", async () => {
    const dead = join(root, "dead.sock");
    const ask = () => callControl(dead, { command: "echo", args: {} }, { timeoutMs: 5000, clock });
    await assert.rejects(ask(), { code: "not-running" });
    await writeFile(dead, "");
    await assert.rejects(ask(), { code: "not-running" });
    assert.equal(await isListening(dead), false);
  });

  test("a socket that a dead process left is replaced, another file in its place is not", async () => {
    const stale = join(root, "stale.sock");
    const first = createServer().listen(stale);
    await once(first, "listening");
    const second = await createControlServer({ path: stale, commands, log, clock });
    assert.deepEqual(
      await callControl(stale, { command: "echo", args: 5 }, { timeoutMs: 5000, clock }),
      [5],
    );
    await second.close();
    first.close();
    const file = join(root, "file.sock");
    await writeFile(file, "precious");
    await assert.rejects(createControlServer({ path: file, commands, log, clock }), /no socket/);
    await assert.rejects(
      createControlServer({ path: join(root, "x".repeat(100), "s"), commands, log, clock }),
      /107 octets/,
    );
  });
});

describe("control client", () => {
  const withFake = async (answer: string | null, use: (path: string) => Promise<void>) => {
    const fakePath = join(await mkdtemp(join(root, "fake-")), "s");
    const fake: Server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => answer !== null && socket.end(answer));
    });
    fake.listen(fakePath);
    await once(fake, "listening");
    await use(fakePath);
    fake.close();
  };
  const ask = (fakePath: string, timeoutMs = 10_000) =>
    callControl(fakePath, { command: "x", args: {} }, { timeoutMs, clock });

  test("an answer that is cut off, or is none, is not taken for a short one", async () => {
    for (const answer of ["", '{"result":1}\n', '{"result":1}\n{"done":tr', "hello\n", "[]\n7\n"])
      await withFake(answer, (fakePath) =>
        assert.rejects(ask(fakePath), { code: "no-answer" }, JSON.stringify(answer)),
      );
  });

  test("a gateway that does not answer is given up in time", async () => {
    await withFake(null, (fakePath) =>
      assert.rejects(ask(fakePath, 300), { code: "no-answer", message: /did not answer/ }),
    );
  });
});
