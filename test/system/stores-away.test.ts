import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findFreeTcpPort } from "../support/free-port.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGatewayOptions } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

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
    await rm(join(folder, "data", name), { recursive: true, force: true });
    await writeFile(join(folder, "data", name), "in the way");
    await work(edge, hub.messages);
  } finally {
    await edge.remove();
    await hub.close();
  }
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

const DISK = "2m";

test("with the disk full nothing is promised, and what the hub takes still passes", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", folder], {
      stdio: "ignore",
    });
  } catch {
    process.stderr.write("\n*** SKIPPED: a small disk needs root and mount ***\n");
    return t.skip("needs root");
  }
  const port = await findFreeTcpPort();
  const settings = { dataDir: join(folder, "data") };
  const limits = { delivery: { waitSeconds: 2 } };
  const edge = await startTestGateway({ hubPort: port, settings, policies: { limits } });
  let hub: ScriptedHub | null = null;
  try {
    await fill(folder);
    const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
    assert.match(sent.final?.text ?? "", /^452 4\.3\.1 .*\(ref /, "the hub is away");
    const large = `${SIMPLE_MESSAGE}${"x".repeat(70).concat("\r\n").repeat(40_000)}`;
    const lost = await sendMail({ port: edge.port, message: large });
    assert.match(lost.final?.text ?? "", /^452 4\.3\.1 /, "no room for a temporary file");
    assert.deepEqual(await readdir(join(folder, "data", "spool", "due")), []);
    hub = await startScriptedHub({ port });
    await waitUntil(
      () => "deliver-through needs a disk",
      async () => {
        const passed = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
        return passed.final?.code === 250 ? true : undefined;
      },
    );
    assert.equal(hub.messages.length, 1);
  } finally {
    await edge.remove();
    await hub?.close();
    execFileSync("umount", ["-l", folder]);
    await rm(folder, { recursive: true, force: true });
  }
});

/** Until the disk takes no more. */
async function fill(folder: string): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      await writeFile(join(folder, `ballast-${i}`), Buffer.alloc(64 * 1024));
    } catch {
      return;
    }
  }
}
