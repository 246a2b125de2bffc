import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { afterwards } from "../support/afterwards.ts";
import { noNsd, startNsd } from "../support/nsd-server.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";

const ZONE = `
mx A 203.0.113.7
mx TXT "v=spf1 a -all"
good TXT "v=spf1 a:mx.test -all"
old TXT "v=spf1 ip4:198.51.100.1 ~all"
`;

test("doctor spf compares published records with where mail leaves, and proposes what is missing", {
  skip: noNsd(),
}, async (context) => {
  const dns = await startNsd({ test: ZONE });
  const folder = await mkdtemp(join(tmpdir(), "postern-spf-"));
  afterwards(context, async () => {
    await dns.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const recipients = { verify: "off" };
  const settings = await writeGatewayFiles(folder, {
    hubPort: 25,
    policies: {
      domains: { domains: { "good.test": recipients, "old.test": recipients } },
      routing: {
        connectors: { out: { domains: ["*"], mx: true, sourceAddress: "203.0.113.7" } },
      },
    },
    settings: { hostname: "mx.test", dns: { servers: [dns.address], timeoutMs: 5000 } },
  });
  const run = async (...words: string[]) => {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    const streams = { out: say, err: say, env: {}, cwd: folder };
    const code = await runCli(["--settings", settings, "doctor", "spf", ...words], streams);
    return { code, text: lines.join("\n") };
  };
  const found = await run();
  assert.equal(found.code, 1, found.text);
  assert.match(found.text, /^ok +spf +addresses: mail leaves from 203\.0\.113\.7$/m);
  assert.match(found.text, /^ok +spf +good\.test: v=spf1 a:mx\.test -all$/m);
  assert.match(found.text, /^fail +spf +old\.test: mail from 203\.0\.113\.7 gets softfail$/m);
  assert.match(
    found.text,
    /publish: old\.test\. TXT "v=spf1 ip4:198\.51\.100\.1 ip4:203\.0\.113\.7 ~all"$/m,
  );
  const given = await run("--ip", "203.0.113.8", "--json");
  const { ok, diagnoses } = JSON.parse(given.text);
  assert.equal(ok, false);
  assert.ok(diagnoses.some(({ detail }: { detail: string }) => detail.includes("ip4:203.0.113.8")));
  assert.equal((await run("--ip", "nowhere")).code, 2);
});
