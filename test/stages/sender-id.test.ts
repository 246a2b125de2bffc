import assert from "node:assert/strict";
import { test } from "node:test";
import { replyFor } from "../../src/gateway/replies.ts";
import { createLookupScope, type Resolver } from "../../src/net/resolver.ts";
import type { DataFacts } from "../../src/pipeline/stage.ts";
import { type SenderIdEvidence, senderIdStage } from "../../src/stages/sender-id.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { type JudgedMail, judgeSender, reportOf } from "../support/judge-stages.ts";
import { toZoneResolver, type Zone } from "../support/zone-resolver.ts";

const MESSAGE = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";
const FACTS = { sender: { spoken: "", localPart: "", domain: "" }, relay: null } as never;
const record = (text: string): Zone => ({ "TXT example.org": [text] });

async function run(zone: Zone, options: object = {}, mail: Partial<JudgedMail> = {}) {
  const reports = await judgeSender({
    message: MESSAGE,
    sender: "bounce@example.org",
    resolver: toZoneResolver(zone),
    all: true,
    options: { "sender-id": options },
    ...mail,
  });
  const { verdict, evidence } = reportOf(reports, "sender-id");
  const { kind } = verdict;
  const marks = verdict.findings.map(({ symbol, score }) => [symbol, score]);
  return { verdict, kind, marks, evidence: evidence as unknown as SenderIdEvidence };
}

const RESULTS: readonly (readonly [zone: Zone, result: string])[] = [
  [record("spf2.0/pra ip4:198.51.100.66 -all"), "pass"],
  [record("spf2.0/pra -all"), "fail"],
  [record("spf2.0/pra ~all"), "softfail"],
  [record("spf2.0/pra ?all"), "neutral"],
  [record("nothing"), "none"],
  [record("spf2.0/pra nonsense"), "permerror"],
  [{ "TXT example.org": "SERVFAIL" }, "temperror"],
  [{}, "fail"],
];

test("each result has its symbol and score, and as shipped none of them refuses", async () => {
  for (const [zone, result] of RESULTS) {
    const got = await run(zone, { scores: { [result]: 2.5 } });
    assert.equal(got.kind, "neutral");
    assert.deepEqual(got.marks, [[`SENDER_ID_${result.toUpperCase()}`, 2.5]]);
    assert.deepEqual((await run(zone)).marks[0]?.[1], 0);
  }
});

for (const action of ["quarantine", "reject"] as const)
  test(`fail: ${action} acts on a fail and on nothing else`, async () => {
    for (const [zone, result] of RESULTS) {
      const got = await run(zone, { fail: action });
      assert.equal(got.kind, result === "fail" ? action : "neutral", result);
      if (result === "fail")
        assert.ok("cause" in got.verdict && got.verdict.cause === "sender-id-fail");
    }
  });

for (const action of ["quarantine", "defer"] as const)
  test(`temperror: ${action} acts on a temporary error and on nothing else`, async () => {
    for (const [zone, result] of RESULTS) {
      const got = await run(zone, { temperror: action });
      assert.equal(got.kind, result === "temperror" ? action : "neutral", result);
      if (result === "temperror")
        assert.ok("cause" in got.verdict && got.verdict.cause === "check-unavailable");
    }
  });

test("a fail of one scope goes before a temporary error of the other", async () => {
  const zone: Zone = { ...record("spf2.0/pra -all"), "TXT away.test": "time-out" };
  const options = { scopes: ["mfrom", "pra"], fail: "reject", temperror: "defer" };
  const got = await run(zone, options, { sender: "x@away.test" });
  assert.equal(got.kind, "reject");
  assert.deepEqual(got.marks, [
    ["SENDER_ID_MFROM_TEMPERROR", 0],
    ["SENDER_ID_FAIL", 0],
  ]);
});

test("the reply says what RFC 4406 5.3 wants said, and never what the sender wrote", async () => {
  const words = { texts: new Map<string, string>(), footer: null };
  const options = { fail: "reject", scopes: ["pra", "mfrom"] };
  for (const [mail, zone, text] of [
    [{}, record("spf2.0/pra -all"), "Sender ID (PRA) Not permitted"],
    [{}, record("spf2.0/mfrom -all"), "Sender ID (MAIL FROM) Not permitted"],
    [{}, {}, "Sender ID (PRA) Domain does not exist"],
    [
      { message: "Subject: x\r\n\r\n" },
      record("v=spf1 +all"),
      "Missing purported responsible address",
    ],
  ] as const) {
    const { verdict } = await run(zone, options, mail);
    assert.ok(verdict.kind === "reject");
    const reply = replyFor(verdict.cause, verdict.about ?? {}, "REF" as never, words);
    assert.deepEqual([reply.code, reply.text], [550, `${text} (ref REF)`]);
  }
});

test("v=spf1 speaks for the header unless policy says otherwise", async () => {
  const zone = record("v=spf1 -all");
  assert.deepEqual((await run(zone)).marks, [["SENDER_ID_FAIL", 0]]);
  const ignored = await run(zone, { spf1: "ignore", fail: "reject" });
  assert.deepEqual([ignored.kind, ignored.marks], ["neutral", [["SENDER_ID_NONE", 0]]]);
});

test("the detail of a mark names the domain, the field it is from and what decided", async () => {
  const detail = async (zone: Zone, mail: Partial<JudgedMail> = {}) =>
    (await run(zone, { scopes: ["pra", "mfrom"] }, mail)).verdict.findings.map((one) => one.detail);
  assert.deepEqual(await detail(record("v=spf1 -all")), [
    "example.org (from): -all",
    "example.org: -all",
  ]);
  assert.deepEqual(await detail({}), ["example.org (from): no-domain", "example.org"]);
  assert.deepEqual(await detail({}, { message: "Subject: x\r\n\r\n", sender: null }), ["no-field"]);
});

test("the evidence is JSON and is judged the same later, and what another policy asks is unknown", async () => {
  const { evidence } = await run(record("spf2.0/pra,mfrom -all"));
  const stored = JSON.parse(JSON.stringify(evidence)) as never;
  assert.deepEqual(stored, evidence);
  const judge = (options: object, facts = FACTS) =>
    senderIdStage
      .bind(senderIdStage.options.parse(options), { mode: "enforce" })
      .judge(stored, facts);
  assert.equal(judge({ fail: "reject" }).kind, "reject");
  const other = judge({ scopes: ["pra", "mfrom"] });
  assert.deepEqual(other.kind === "unknown" && other.missing, ["Sender ID of the scope mfrom"]);
  assert.equal(judge({ scopes: ["pra", "mfrom"] }, { sender: null } as never).kind, "neutral");
  const without = judge({ spf1: "ignore" });
  assert.deepEqual(without.kind === "unknown" && without.missing, ["Sender ID with spf1: ignore"]);
});

test("a zone that does not answer ends at the wall as a temporary error, with what was asked", async () => {
  const clock = createFakeClock();
  const resolver: Pick<Resolver, "lookup"> = {
    lookup: (name, _type, scope) =>
      new Promise((resolve) => {
        const late = () => resolve({ kind: "temporary", reason: `no answer for ${name}` });
        scope.signal.addEventListener("abort", late, { once: true });
        void clock.advance(6000);
      }),
  };
  const view = {
    ...({
      client: { ip: "192.0.2.1" },
      listener: { hostname: "gw" },
      helo: { name: "x" },
    } as object),
    receivedAt: 0,
    sender: null,
    message: {
      headers: { fields: [{ name: "From", rawValue: " a@slow.test", start: 0, end: 1 }] },
    },
    dns: createLookupScope(new AbortController().signal),
  } as unknown as DataFacts & { readonly dns: never; readonly message: never };
  const stage = senderIdStage.bind(senderIdStage.options.parse({}), { mode: "enforce" });
  const services = { resolver: resolver as Resolver, clock };
  const evidence = (await stage.observe?.(view, services, new AbortController().signal)) as never;
  const [check] = (evidence as SenderIdEvidence).checks;
  assert.deepEqual([check?.result, check?.trace[0]?.domain], ["temperror", "slow.test"]);
  assert.equal(clock.pendingTimers(), 0);
});

test("unknown options are errors, and everything has a default", () => {
  const { options } = senderIdStage;
  assert.deepEqual(options.parse({}), {
    scopes: ["pra"],
    spf1: "use",
    fail: "stamp",
    temperror: "stamp",
    scores: { pass: 0, fail: 0, softfail: 0, neutral: 0, none: 0, temperror: 0, permerror: 0 },
  });
  for (const wrong of [
    { scopes: [] },
    { scopes: ["helo"] },
    { spf1: true },
    { fail: "delete" },
    { fail: "defer" },
    { temperror: "reject" },
    { softfail: "reject" },
    { scores: { unset: 1 } },
  ])
    assert.equal(options.safeParse(wrong).success, false, JSON.stringify(wrong));
});
