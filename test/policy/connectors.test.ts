import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { PolicyError } from "../../src/base/errors.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { createFactBus } from "../../src/pipeline/facts.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import { createPolicyHolder } from "../../src/policy/policy-holder.ts";
import { makeCertificate } from "../../src/smtp/certificate.ts";
import { afterwards } from "../support/afterwards.ts";
import { MINIMAL, policyOnDisk } from "./policy-on-disk.ts";
import { createTestCatalog } from "./test-catalog.ts";

const clock = createSystemClock();

function load(folder: string) {
  return loadPolicy({ folder, catalog: createTestCatalog(), clock });
}

async function withRouting(context: TestContext, routing: string): Promise<string> {
  return policyOnDisk(context, { ...MINIMAL, "routing.yaml": routing });
}

async function connectorOf(context: TestContext, text: string) {
  const folder = await withRouting(context, `connectors: { hub: { domains: ["*"], ${text} } }\n`);
  const { routing } = await load(folder);
  const [connector] = routing.all;
  assert.ok(connector);
  return connector;
}

test("smarthosts without weights are tried in order, with one by priority and weight", async (context) => {
  const ranks = async (text: string) => {
    const { to } = await connectorOf(context, `smarthosts: ${text}`);
    assert.ok(to.kind === "smarthosts");
    return to.hosts.map(({ host, port, priority, weight }) => [host, port, priority, weight]);
  };
  assert.deepEqual(await ranks('["a", "b:2525"]'), [
    ["a", 25, 0, 1],
    ["b", 2525, 1, 1],
  ]);
  assert.deepEqual(await ranks('["a", { host: "b", weight: 3 }, { host: "c", priority: 1 }]'), [
    ["a", 25, 0, 1],
    ["b", 25, 0, 3],
    ["c", 25, 1, 1],
  ]);
});

test("mail servers are looked up on port 25 unless another is said", async (context) => {
  assert.deepEqual((await connectorOf(context, "mx: true")).to, {
    kind: "mx",
    port: 25,
    dane: true,
    mtaSts: true,
  });
  assert.deepEqual((await connectorOf(context, "mx: true, port: 2525")).to, {
    kind: "mx",
    port: 2525,
    dane: true,
    mtaSts: true,
  });
  const off = await connectorOf(context, "mx: true, dane: false, mtaSts: false");
  assert.deepEqual(off.to, { kind: "mx", port: 25, dane: false, mtaSts: false });
});

const AUTHED = `connectors:
  hub:
    domains: ["*"]
    smarthosts: ["hub.test"]
    tls: mutual
    ca: ca.pem
    cert: own.pem
    key: own.key
    auth: { user: edge, passwordFile: secret }
`;

async function authedPolicy(context: TestContext) {
  const folder = await withRouting(context, AUTHED);
  const own = await makeCertificate("edge.test", Date.now());
  const put = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 });
  await put("secret", "open sesame\n");
  await put("own.key", own.key);
  await put("own.pem", own.cert);
  await put("ca.pem", own.cert);
  return { folder, own, put };
}

test("files of a connector are read, and shown by their names alone", async (context) => {
  const { folder, own } = await authedPolicy(context);
  const policy = await load(folder);
  const [connector] = policy.routing.all;
  assert.equal(connector?.auth?.password.text, "open sesame");
  assert.equal(connector?.tls.identity?.key.text, own.key);
  const shown = JSON.stringify(policy.effective);
  for (const secret of ["open sesame", "PRIVATE KEY"]) assert.ok(!shown.includes(secret), shown);
  assert.match(shown, /"auth":\{"user":"edge","passwordFile":"secret"\}/);
  assert.match(shown, /"ca":"ca\.pem","cert":"own\.pem","key":"own\.key"/);
});

test("a secret that others may read is refused, and so is one that is empty", async (context) => {
  const { folder, put } = await authedPolicy(context);
  const complaint = async () => {
    const error = await load(folder).then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof PolicyError);
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  };
  await chmod(join(folder, "secret"), 0o640);
  assert.deepEqual(await complaint(), [
    "connectors.hub.auth.passwordFile: `secret` cannot be read: expected mode 0600, got 0640: others may read it",
  ]);
  await chmod(join(folder, "secret"), 0o600);
  await put("secret", "\nsecond line\n");
  assert.deepEqual(await complaint(), [
    "connectors.hub.auth.passwordFile: `secret`: expected the password in its first line",
  ]);
  await put("secret", "open sesame");
  await put("own.key", (await makeCertificate("other.test", Date.now())).key);
  assert.match(
    (await complaint())[0] ?? "",
    /hub\.cert: `own\.pem`, `own\.key`: the key is another/,
  );
});

test("a new password comes into force, and the version, which the world sees, stays", async (context) => {
  const { folder, put } = await authedPolicy(context);
  const holder = await createPolicyHolder({
    folder,
    catalog: createTestCatalog(),
    clock,
    log: createSilentLog(),
    facts: createFactBus(() => {}),
    metrics: createMetrics(),
  });
  afterwards(context, () => holder.close());
  const before = holder.current();
  await put("secret", "open barley\n");
  const after = await holder.reload();
  assert.equal(after.version, before.version);
  assert.equal(after.routing.all[0]?.auth?.password.text, "open barley");
  assert.equal(holder.current(), after);
});
