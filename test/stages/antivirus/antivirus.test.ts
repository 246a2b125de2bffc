import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse } from "yaml";
import type { Json } from "../../../src/base/json.ts";
import { createSilentLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { createMessageStore } from "../../../src/mail/message-store.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { Verdict } from "../../../src/pipeline/verdict.ts";
import { antivirusStage } from "../../../src/stages/antivirus/antivirus.ts";
import { createScanner } from "../../../src/stages/antivirus/clamd-scanner.ts";
import type { AntivirusEvidence } from "../../../src/stages/antivirus/judge-scan.ts";
import type { Scanner } from "../../../src/stages/antivirus/scanner.ts";
import { afterwards } from "../../support/afterwards.ts";
import { dataFacts } from "../../support/connect-facts.ts";
import { type FakeClamd, startFakeClamd } from "../../support/fake-clamd.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const FOLDER = new URL("../../messages/antivirus/", import.meta.url);

const FACTS = dataFacts();

interface Run {
  readonly evidence: Extract<AntivirusEvidence, { kind: "scanned" }>;
  readonly verdict: Verdict;
}

async function run(
  t: TestContext,
  mail: string,
  scanner: Scanner,
  file: object = {},
): Promise<Run> {
  const tempDir = await mkdtemp(join(tmpdir(), "antivirus-"));
  afterwards(t, () => rm(tempDir, { recursive: true, force: true }));
  const draft = createMessageStore({ tempDir }).draft();
  await draft.write(Buffer.from(mail.replace(/\r?\n/g, "\r\n")));
  const message = await draft.finish();
  afterwards(t, () => message.dispose());
  const stage = antivirusStage.bind(antivirusStage.options.parse(file), { mode: "enforce" });
  const { signal } = new AbortController();
  const view = { ...FACTS, dns: createLookupScope(signal), message };
  const evidence = await stage.observe?.(view, { scanner, clock: createFakeClock() }, signal);
  // What is stored must say the same as what was seen.
  const stored: Json = JSON.parse(JSON.stringify(evidence));
  assert.deepEqual(stored, evidence);
  return { evidence: stored as Run["evidence"], verdict: stage.judge(stored, FACTS) };
}

async function bench(t: TestContext): Promise<{ clamd: FakeClamd; scanner: Scanner }> {
  const clamd = await startFakeClamd();
  afterwards(t, () => clamd.close());
  const scanner = createScanner({
    addresses: [clamd.address],
    clock: createFakeClock(),
    log: createSilentLog(),
    metrics: createMetrics(),
    resolver: {
      lookup: async () => ({ kind: "none", reason: "nodata" }),
      networkQueries: () => 0,
      close() {},
    },
  });
  afterwards(t, () => scanner.close());
  return { clamd, scanner };
}

for (const name of (await readdir(FOLDER)).filter((file) => file.endsWith(".eml")).sort()) {
  const claim = name.slice(0, -".eml".length);
  test(claim.replaceAll("-", " "), async (t) => {
    const mail = await readFile(new URL(name, FOLDER), "latin1");
    const expected = parse(await readFile(new URL(`${claim}.expect.yaml`, FOLDER), "utf8"));
    const { scanner } = await bench(t);
    const { evidence, verdict } = await run(t, mail, scanner);
    const parts = evidence.scan?.parts?.map(({ path, why }) => `${path} ${why}`);
    assert.deepEqual(
      {
        verdict: verdict.kind,
        ...("cause" in verdict && { cause: verdict.cause }),
        symbols: verdict.findings.map(({ symbol }) => symbol),
        ...(expected.parts && { parts }),
      },
      expected,
    );
  });
}

const TWO_PARTS = await readFile(
  new URL("malware-beside-a-macro-is-refused.eml", FOLDER),
  "latin1",
);

test("the scanner gets the raw octets first, then what each part decodes to", async (t) => {
  const { clamd, scanner } = await bench(t);
  await run(t, TWO_PARTS, scanner);
  assert.equal(clamd.streams.length, 3);
  assert.equal(clamd.streams[0]?.toString("latin1"), TWO_PARTS.replace(/\r?\n/g, "\r\n"));
  assert.match(clamd.streams[2]?.toString("latin1") ?? "", /^x{50}\[\[found Test\.Malware\]\]$/);
});

test("one message holds one slot, whatever it has in it", async (t) => {
  const { clamd, scanner } = await bench(t);
  await run(t, TWO_PARTS, scanner);
  assert.equal(clamd.mostOpen(), 1);
});

test("a scanner that fails at a part has not scanned the message", async (t) => {
  const { clamd, scanner } = await bench(t);
  clamd.hold();
  const running = run(t, TWO_PARTS.replace(/^.{20,}$/gm, "AAAA"), scanner);
  await clamd.until(() => clamd.streams.length === 1);
  clamd.release();
  clamd.hold();
  await clamd.until(() => clamd.streams.length === 2);
  clamd.behave("close-before-reply");
  clamd.release();
  const { verdict } = await running;
  assert.ok(verdict.kind === "defer", verdict.kind);
  assert.equal(verdict.cause, "check-unavailable");
});

test("a message over maxBytes is not even sent", async (t) => {
  const { clamd, scanner } = await bench(t);
  const { verdict } = await run(t, TWO_PARTS, scanner, { maxBytes: 100 });
  assert.equal(verdict.kind, "defer");
  assert.equal(verdict.findings[0]?.symbol, "ANTIVIRUS_OVERSIZE");
  assert.deepEqual(clamd.streams, []);
});

test("with scanParts off only the raw octets are sent", async (t) => {
  const { clamd, scanner } = await bench(t);
  const { verdict } = await run(t, TWO_PARTS, scanner, { scanParts: false });
  assert.equal(verdict.kind, "neutral");
  assert.equal(clamd.streams.length, 1);
});

test("the evidence names scanner, version and time", async (t) => {
  const { clamd, scanner } = await bench(t);
  const { evidence } = await run(t, "Subject: x\n\nx\n", scanner);
  assert.deepEqual(evidence, {
    kind: "scanned",
    scan: { result: { kind: "clean" }, raw: { kind: "clean" }, parts: [], limits: [] },
    ms: 0,
    result: { kind: "clean" },
    address: clamd.address,
    version: "ClamAV 1.4.6/27500/Mon Oct 14 08:25:27 2024",
    failed: [],
  });
});

test("nobody is trusted past the scanner, and its failure is never open", () => {
  const stage = antivirusStage.bind(antivirusStage.options.parse({}), { mode: "enforce" });
  assert.equal(stage.trustable, false);
  assert.equal(stage.onFailure, "closed");
});
