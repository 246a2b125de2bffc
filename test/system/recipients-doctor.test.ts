import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { afterwards } from "../support/afterwards.ts";
import { type HubOptions, startScriptedHub } from "../support/scripted-hub.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";

async function examineHub(context: TestContext, script: HubOptions["script"]) {
  const hub = await startScriptedHub(script ? { script } : {});
  afterwards(context, () => hub.close());
  const folder = await mkdtemp(join(tmpdir(), "postern-doctor-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  const policies = { domains: { domains: { "example.org": null } } };
  const settings = await writeGatewayFiles(folder, { hubPort: hub.port, policies });
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const streams = { out: say, err: say, env: {}, cwd: folder };
  await runCli(["--settings", settings, "doctor"], streams);
  return { hub, text: lines.join("\n") };
}

test("doctor tells a hub that takes everybody from one that knows who exists", async (context) => {
  const knowing = await examineHub(context, ({ step }) =>
    step === "rcpt" ? "550 5.1.1 unknown" : undefined,
  );
  assert.match(knowing.text, /^ok +recipients +example\.org: the hub refuses who does not exist/m);
  const taking = await examineHub(context, undefined);
  assert.match(taking.text, /^warn +recipients +example\.org: the hub takes who cannot exist/m);
  for (const { hub } of [knowing, taking]) assert.equal(hub.count("data"), 0);
});
