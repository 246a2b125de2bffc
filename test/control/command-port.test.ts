import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { Unavailable } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { openCommandPort } from "../../src/control/command-port.ts";
import { type ControlCommand, controlPath } from "../../src/control/control.ts";
import { createControlServer } from "../../src/control/control-server.ts";
import { createDataLock } from "../../src/control/data-lock.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const clock = createSystemClock();
let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-port-"));
});
after(() => rm(root, { recursive: true }));

const commandsOf = (who: string) =>
  new Map<string, ControlCommand>([
    [
      "who",
      async function* () {
        yield who;
      },
    ],
    [
      "away",
      // biome-ignore lint/correctness/useYield: it fails at once
      async function* () {
        throw new Unavailable("quarantine", "no disk");
      },
    ],
  ]);

describe("command port", () => {
  test("with a running gateway commands go to it and no store is opened", async () => {
    const dataDir = await mkdtemp(join(root, "live-"));
    const server = await createControlServer({
      path: controlPath(dataDir),
      commands: commandsOf("gateway"),
      log: createSilentLog(),
      clock,
    });
    const openAlone = () => assert.fail("opened the stores");
    const port = await openCommandPort({ dataDir, clock, openAlone });
    assert.equal(port.live, true);
    assert.deepEqual(await port.call("who", {}), ["gateway"]);
    await assert.rejects(port.call("away", {}), { code: "unavailable" });
    await port.close();
    await server.close();
  });

  test("without one the stores are opened under the lock, which is free afterwards", async () => {
    const dataDir = await mkdtemp(join(root, "alone-"));
    const lock = createDataLock(dataDir);
    let closed = 0;
    const port = await openCommandPort({
      dataDir,
      clock,
      openAlone: async () => {
        assert.equal(await lock.take("gateway"), false);
        return { commands: commandsOf("alone"), close: async () => void closed++ };
      },
    });
    assert.equal(port.live, false);
    assert.deepEqual(await port.call("who", {}), ["alone"]);
    await assert.rejects(port.call("away", {}), { name: "ControlError", code: "unavailable" });
    await assert.rejects(port.call("nothing", {}), { code: "unknown-command" });
    await port.close();
    assert.equal(closed, 1);
    assert.equal(await lock.take("gateway"), true);
    await lock.release();
  });

  test("stores that cannot be opened free the lock again", async () => {
    const dataDir = await mkdtemp(join(root, "broken-"));
    const openAlone = async () => {
      throw new Unavailable("spool", "no such folder");
    };
    await assert.rejects(openCommandPort({ dataDir, clock, openAlone }), { code: "unavailable" });
    const lock = createDataLock(dataDir);
    assert.equal(await lock.take("gateway"), true);
    await lock.release();
  });

  test("a holder that does not answer is waited for, then named", async () => {
    const dataDir = await mkdtemp(join(root, "busy-"));
    const lock = createDataLock(dataDir);
    await lock.take("gateway");
    const fake = createFakeClock();
    const asked = openCommandPort({ dataDir, clock: fake, openAlone: () => assert.fail() });
    const outcome = asked.then(
      () => "opened",
      (error: Error) => error.message,
    );
    let said: string | null = null;
    void outcome.then((text) => {
      said = text;
    });
    while (said === null) await fake.advance(100);
    assert.match(said, new RegExp(`a gateway with process id ${process.pid} holds`));
    assert.ok(fake.monotonic() >= 5000);
    await lock.release();
  });

  test("a data folder that does not exist is not made by asking for it", async () => {
    const dataDir = join(root, "mistyped");
    const openAlone = () => assert.fail();
    await assert.rejects(openCommandPort({ dataDir, clock, openAlone }), { code: "not-running" });
    await assert.rejects(stat(dataDir), { code: "ENOENT" });
  });
});
