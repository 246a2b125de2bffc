import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { createSystemClock } from "../../src/base/clock.ts";
import { PHASES } from "../../src/pipeline/report.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { loadSettings } from "../../src/settings.ts";
import { createCatalog } from "../../src/stages/catalog.ts";
import { afterwards } from "../support/afterwards.ts";
import { policyOnDisk } from "./policy-on-disk.ts";

const root = join(import.meta.dirname, "../..");
const clock = createSystemClock();
const load = (folder: string) => loadPolicy({ folder, catalog: createCatalog(), clock });

test("the shipped policy places every stage there is, and runs those that have something to do", async () => {
  const folder = join(root, "policies");
  const { phases } = parse(await readFile(join(folder, "pipeline.yaml"), "utf8"));
  const written = PHASES.flatMap((phase): string[] => phases[phase]?.steps.flat() ?? []);
  const { plans } = await load(folder);
  const running = (pipeline: "inbound" | "outbound") =>
    PHASES.flatMap((phase) =>
      plans[pipeline].phases[phase].steps.flatMap((step) => step.map(({ name }) => name)),
    );
  const session = ["connection-rate", "dnsbl", "reverse-dns", "pregreet", "helo"];
  const mail = [
    "sender-access",
    "spf",
    "sender-domain",
    "spf-access",
    "reputation",
    "message-rate",
  ];
  const rcpt = ["domains", "rcpt-rate", "greylist"];
  const data = ["trusted-relay", "dkim", "from", "from-access", "arc", "dmarc", "sender-id"];
  const strangers = ["access", ...session, ...mail, ...rcpt, ...data];
  const content = ["attachments", "antivirus"];
  const ours = ["own-sender", "sender-rate", "recipient-rate"];
  assert.deepEqual(running("inbound"), [...strangers, ...content]);
  assert.deepEqual(running("outbound"), ["access", ...ours, "domains", ...content]);
  const shipped = createCatalog();
  const forBoth = shipped.filter(({ concerns }) => concerns !== "ours").map(({ name }) => name);
  assert.deepEqual(written.toSorted(), forBoth.toSorted());
  const rewriting = shipped.filter(({ file }) => file === "rewriting").map(({ name }) => name);
  const idle = [...rewriting, "own-author"];
  assert.deepEqual(
    shipped.map(({ name }) => name).toSorted(),
    [...strangers, ...content, ...ours, ...idle].toSorted(),
  );
});

test("the shipped policy enforces, and refuses nothing by score", async () => {
  const { plans } = await load(join(root, "policies"));
  for (const plan of [plans.inbound, plans.outbound]) {
    assert.equal(plan.mode, "enforce");
    assert.equal(plan.scoring.thresholds.reject, null);
  }
});

test("no DNS list of the shipped policy can refuse a client alone", async () => {
  const { effective } = await load(join(root, "policies"));
  const { dnsbl } = JSON.parse(JSON.stringify(effective));
  assert.ok(dnsbl.lists.length >= 2);
  for (const { zone, score } of dnsbl.lists) assert.ok(score < dnsbl.rejectAt, zone);
});

test("the limits written in the shipped policy are the defaults", async (context) => {
  const shipped = await load(join(root, "policies"));
  const bare = await load(await policyOnDisk(context, {}));
  assert.deepEqual(shipped.limits, bare.limits);
  assert.deepEqual(shipped.quarantine, bare.quarantine);
  assert.deepEqual(shipped.plans.inbound.scoring, bare.plans.inbound.scoring);
  assert.deepEqual(shipped.headers, bare.headers);
  assert.deepEqual(shipped.outbound, bare.outbound);
  assert.deepEqual(shipped.plans.outbound.scoring, bare.plans.outbound.scoring);
});

test("the example of the settings can be used", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "postern-settings-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  await copyFile(join(root, "docs/postern.example.yaml"), join(folder, "postern.yaml"));
  const settings = await loadSettings({ env: {}, cwd: folder });
  assert.equal(settings.policies, join(folder, "policies"));
  assert.equal(settings.listeners[0]?.hostname, "mx1.example.org");
});
