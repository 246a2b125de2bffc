import assert from "node:assert/strict";
import { test } from "node:test";
import { type DkimEvidence, dkimStage } from "../../src/stages/dkim.ts";
import { makeRsaKey, signMessage } from "../support/dkim-signer.ts";
import { type JudgedMail, judgeSender, reportOf } from "../support/judge-stages.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

const KEY = makeRsaKey(1024);
const MESSAGE = "From: alice@example.org\r\nSubject: x\r\nTo: b@example.net\r\n\r\nHello\r\n";
const ZONE = { "TXT s1._domainkey.example.org": [KEY.record] };
const sign = (more: object = {}, message = MESSAGE) =>
  signMessage(message, { key: KEY, domain: "example.org", signed: "from:subject", ...more });

async function run(message: string, mail: Partial<JudgedMail> = {}) {
  const reports = await judgeSender({ message, resolver: toZoneResolver(ZONE), ...mail });
  const { verdict, evidence } = reportOf(reports, "dkim");
  const findings = verdict.findings.map(({ symbol, score }) => [symbol, score]);
  return { verdict, findings, evidence: evidence as unknown as DkimEvidence };
}

test("each result has its symbol, and none of them refuses", async () => {
  const at = async (message: string, zone: object = ZONE) => {
    const got = await run(message, { resolver: toZoneResolver(zone as typeof ZONE) });
    assert.equal(got.verdict.kind, "neutral");
    return got.findings;
  };
  assert.deepEqual(await at(MESSAGE), [["DKIM_NONE", 0]]);
  assert.deepEqual(await at(sign()), [["DKIM_PASS", 0]]);
  assert.deepEqual(await at(`${sign()}more\r\n`), [["DKIM_FAIL", 0.5]]);
  assert.deepEqual(await at(sign({ signed: "from" })), [["DKIM_POLICY", 0.5]]);
  assert.deepEqual(await at(sign(), {}), [["DKIM_PERMERROR", 0.5]]);
  const away = { "TXT s1._domainkey.example.org": "SERVFAIL" };
  assert.deepEqual(await at(sign(), away), [["DKIM_TEMPERROR", 0]]);
});

test("a broken signature beside a good one costs nothing", async () => {
  const got = await run(sign({}, sign().replace("b=", "b=AAAA")));
  assert.deepEqual(got.findings, [
    ["DKIM_PASS", 0],
    ["DKIM_FAIL", 0],
  ]);
});

test("a body behind l=, and signatures beyond the tenth, are marked", async () => {
  const got = await run(`${sign({ length: 7 })}Buy pills\r\n`);
  assert.deepEqual(got.findings, [
    ["DKIM_FAIL", 0.5],
    ["DKIM_BODY_APPENDED", 0],
  ]);
  let many = MESSAGE;
  for (let i = 0; i < 12; i++) many = sign({}, many);
  assert.deepEqual((await run(many)).findings.at(-1), ["DKIM_TOO_MANY", 0]);
});

test("what must be signed is policy, From goes without saying, and old evidence is not enough", async () => {
  const options = { dkim: { mustSign: ["to"] } };
  assert.deepEqual((await run(sign(), { options })).findings, [["DKIM_POLICY", 0.5]]);
  assert.deepEqual((await run(sign({ signed: "from:to" }), { options })).findings, [
    ["DKIM_PASS", 0],
  ]);
  const { evidence } = await run(sign());
  const stage = dkimStage.bind(dkimStage.options.parse(options.dkim), { mode: "enforce" });
  const stored = JSON.parse(JSON.stringify(evidence));
  assert.equal(stage.judge(stored, {} as never).kind, "unknown");
});

test("unknown options are errors, and everything has a default", () => {
  assert.ok(dkimStage.options.safeParse({}).success);
  for (const wrong of [{ mustSign: ["x-y"] }, { scores: { good: 1 } }, { l: 1 }])
    assert.equal(dkimStage.options.safeParse(wrong).success, false, JSON.stringify(wrong));
});
