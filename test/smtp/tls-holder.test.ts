import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import { makeCertificate, ownCertificate } from "../../src/smtp/certificate.ts";
import { openTlsHolder } from "../../src/smtp/tls-holder.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

const DAY_MS = 86_400_000;
const SELF_MADE = { own: null, also: [], clientCa: null, clientPins: [] };

async function inputFor(context: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), "tls-holder-"));
  afterwards(context, () => rm(dataDir, { recursive: true, force: true }));
  const outcomes: string[] = [];
  const reloads = { add: (labels = {}) => void outcomes.push(Object.values(labels).join(" ")) };
  const shared = { listener: "front", hostname: "mx.example.org", log: createSilentLog() };
  return { ...shared, dataDir, reloads, outcomes, clock: createFakeClock() };
}

test("a self-signed certificate is renewed before it ends, while the gateway runs", async (context) => {
  const input = await inputFor(context);
  // Made two days before its time of renewal: the watcher polls, and years of that take long.
  await ownCertificate("mx.example.org", input.dataDir, input.clock.now() - 794 * DAY_MS);
  const holder = await openTlsHolder({ ...input, files: SELF_MADE });
  afterwards(context, () => holder.close());
  const first = holder.current().own;
  let told = 0;
  holder.onChange(() => void told++);
  await input.clock.advance(first.expiresAt - input.clock.now() - 29 * DAY_MS);
  await waitUntil(
    () => "not renewed",
    () => (holder.current().own.cert === first.cert ? undefined : true),
  );
  assert(holder.expiresAt() > first.expiresAt);
  assert.equal(told, 1);
});

test("what cannot be used leaves the old certificate in force, and the metric says so", async (context) => {
  const input = await inputFor(context);
  const made = await makeCertificate("mx.example.org", input.clock.now());
  const own = { cert: join(input.dataDir, "cert.pem"), key: join(input.dataDir, "key.pem") };
  await writeFile(own.cert, made.cert);
  await writeFile(own.key, made.key);
  const holder = await openTlsHolder({ ...input, files: { ...SELF_MADE, own } });
  afterwards(context, () => holder.close());
  const before = holder.current();
  await writeFile(own.key, (await makeCertificate("mx.example.org", input.clock.now())).key);
  await holder.reload();
  assert.equal(holder.current(), before);
  assert.deepEqual(input.outcomes, ["front rejected"]);
  await writeFile(own.key, made.key);
  await holder.reload();
  assert.deepEqual(input.outcomes, ["front rejected", "front unchanged"]);
});

test("a listener does not begin with a certificate that cannot serve", async (context) => {
  const input = await inputFor(context);
  const own = { cert: join(input.dataDir, "absent.pem"), key: join(input.dataDir, "absent.key") };
  await assert.rejects(openTlsHolder({ ...input, files: { ...SELF_MADE, own } }), /absent/);
});

test("a file of authorities without a certificate is refused", async (context) => {
  const input = await inputFor(context);
  const clientCa = join(input.dataDir, "ca.pem");
  await writeFile(clientCa, "none\n");
  const files = { ...SELF_MADE, clientCa };
  await assert.rejects(openTlsHolder({ ...input, files }), /expected a certificate in PEM/);
});
