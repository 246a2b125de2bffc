import assert from "node:assert/strict";
import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { runPostern } from "../support/run-postern.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway } from "../support/test-gateway.ts";

const PROGRAM = SIMPLE_MESSAGE.replace(
  "Subject:",
  'Content-Disposition: attachment; filename="setup.exe"\r\nSubject:',
);
const STORES = ["tracking", "quarantine", "reputation"];
const POLICIES = { attachments: { onForbidden: "quarantine" } };

for (const { title, at, reason } of [
  { title: "without their head", at: 0, reason: /not a database/ },
  { title: "with a hole", at: 4096, reason: /malformed|Tree|page/ },
])
  test(`mail goes on beside databases ${title}, what should be held is put off, and doctor tells`, async (t) => {
    const hub = await startScriptedHub();
    afterwards(t, () => hub.close());
    const first = await startTestGateway({ hubPort: hub.port, policies: POLICIES });
    afterwards(t, () => first.remove());
    assert.equal((await sendMail({ port: first.port, message: SIMPLE_MESSAGE })).final?.code, 250);
    assert.equal((await sendMail({ port: first.port, message: PROGRAM })).final?.code, 250);
    assert.match((await runPostern(first, "quarantine", "list")).text, /attachment/);
    const before = await runPostern(first, "doctor");
    for (const name of STORES)
      assert.match(before.text, new RegExp(`^ok +stores +.*/${name}\\.db: 1 MB, all of it`, "m"));
    await first.stop();
    for (const name of STORES) damage(join(first.folder, "data", name, `${name}.db`), at);

    const edge = await startTestGateway({
      hubPort: hub.port,
      policies: POLICIES,
      folder: first.folder,
    });
    afterwards(t, () => edge.stop());
    assert.equal((await sendMail({ port: edge.port, message: SIMPLE_MESSAGE })).final?.code, 250);
    assert.equal((await sendMail({ port: edge.port, message: PROGRAM })).final?.code, 451);
    assert.equal(hub.messages.length, 2);
    const { code, text } = await runPostern(edge, "doctor");
    assert.equal(code, 1);
    for (const name of STORES) {
      const line = text.split("\n").find((one) => one.includes(`/${name}.db: `)) ?? "";
      assert.match(line, /^fail +stores /);
      assert.match(line, reason);
    }
  });

function damage(file: string, at: number): void {
  assert.ok(statSync(file).size > at, `${file} is too small`);
  const handle = openSync(file, "r+");
  writeSync(handle, Buffer.alloc(600, 0xaa), 0, 600, at);
  closeSync(handle);
}
