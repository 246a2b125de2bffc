import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { mountSmallDisk } from "../support/small-disk.ts";
import { startTestGateway, type TestGatewayOptions } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { withEdge } from "../support/with-edge.ts";

/** Everything is held. */
const HOLD_ALL = {
  pipeline: { thresholds: { quarantine: 0, reject: null } },
};

async function withBrokenFolder(
  name: string,
  policies: TestGatewayOptions["policies"],
  work: (
    edge: Awaited<ReturnType<typeof startTestGateway>>,
    messages: readonly unknown[],
  ) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "postern-test-"));
  await mkdir(join(folder, "data"));
  const hub = await startScriptedHub();
  const edge = await startTestGateway({ hubPort: hub.port, folder, ...(policies && { policies }) });
  try {
    await putInTheWay(join(folder, "data", name));
    await work(edge, hub.messages);
  } finally {
    await edge.remove();
    await hub.close();
  }
}

/** A thread of the gateway that opens its store just now makes the folder once more. */
async function putInTheWay(path: string): Promise<void> {
  await waitUntil(
    () => `${path} comes again and again`,
    async () => {
      await rm(path, { recursive: true, force: true });
      return writeFile(path, "in the way").then(
        () => true,
        () => undefined,
      );
    },
  );
}

test("a hold that cannot be made durable is answered 451 and nothing is delivered", async () => {
  await withBrokenFolder("quarantine", HOLD_ALL, async (edge, messages) => {
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.match(sent.final?.text ?? "", /^451 4\.7\.1 .*\(ref /);
    assert.equal(messages.length, 0);
  });
});

test("mail flows although its story cannot be stored, and the loss is counted", async () => {
  await withBrokenFolder("tracking", undefined, async (edge, messages) => {
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    assert.equal(messages.length, 1);
    await edge.waitForLog("decided");
  });
});

test("a held message gets 250, is not delivered, and is listed with its cause", async () => {
  const hub = await startScriptedHub();
  const edge = await startTestGateway({ hubPort: hub.port, policies: HOLD_ALL });
  try {
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    const held = await edge.waitForLog("held");
    assert.deepEqual([held.id, held.cause], [sent.id, "spam"]);
    assert.equal(hub.messages.length, 0);
  } finally {
    await edge.remove();
    await hub.close();
  }
});

test("a message too large for a full disk's temporary files is put off", async (t) => {
  await using disk = await mountSmallDisk("size=20m");
  if (!disk) return t.skip("needs root");
  await withEdge({ settings: { dataDir: join(disk.folder, "data") } }, async (edge, hub) => {
    await disk.fill();
    const large = `${SIMPLE_MESSAGE}${"x".repeat(70).concat("\r\n").repeat(40_000)}`;
    const sent = await sendMail({ port: edge.port, message: large });
    assert.match(sent.final?.text ?? "", /^452 4\.3\.1 .*\(ref /);
    assert.equal(hub.messages.length, 0);
    await disk.empty();
    assert.match((await sendMail({ port: edge.port, message: large })).final?.text ?? "", /^250 /);
  });
});
