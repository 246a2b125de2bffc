import assert from "node:assert/strict";
import { test } from "node:test";
import { sayEvidence } from "../../src/cli/evidence-sentences.ts";
import type { SenderDomainEvidence } from "../../src/stages/sender-domain.ts";
import { senderDomainStage } from "../../src/stages/sender-domain.ts";
import { type JudgedMail, judgeSender, reportOf } from "../support/judge-stages.ts";
import { mx, toZoneResolver, type Zone } from "../support/zone-resolver.ts";

const MESSAGE = "From: a@friend.test\r\nSubject: x\r\n\r\nHello\r\n";

/** What the stage made of a sender, and which questions about the domain itself it asked. */
async function run(sender: string | null, zone: Zone, options: object = {}, rest = {}) {
  const asked: string[] = [];
  const mail: JudgedMail = {
    message: MESSAGE,
    sender,
    all: true,
    resolver: toZoneResolver(zone, asked),
    options: { "sender-domain": options },
    ...rest,
  };
  const report = reportOf(await judgeSender(mail), "sender-domain");
  const evidence = report.evidence as unknown as SenderDomainEvidence;
  const { verdict } = report;
  const [finding] = verdict.findings;
  return {
    report,
    evidence,
    asked: asked.filter((question) => !question.startsWith("TXT")),
    kind: verdict.kind,
    cause: "cause" in verdict ? verdict.cause : null,
    symbol: finding?.symbol ?? null,
    score: finding?.score ?? 0,
  };
}

const STRICT = { missing: "reject", noMail: "reject", nullMx: "reject", unresolved: "defer" };

test("a domain with a mail server, or else with an address of either family, exists", async () => {
  for (const zone of [
    { "MX friend.test": [mx(10, "mail.friend.test")] },
    { "A friend.test": ["192.0.2.1"] },
    { "AAAA friend.test": ["2001:db8::1"] },
  ]) {
    const got = await run("a@friend.test", zone, STRICT);
    assert.deepEqual([got.evidence?.status, got.kind, got.symbol], ["exists", "neutral", null]);
  }
  const { asked } = await run("a@friend.test", { "MX friend.test": [mx(10, "m.test")] });
  assert.deepEqual(asked, ["MX friend.test"], "one question is enough");
});

test("no such name, a name without mail, a null MX and a zone that is away are told apart", async () => {
  const there: Zone = { "TXT friend.test": ["v=spf1 -all"] };
  for (const [zone, status, symbol, score, cause] of [
    [{}, "missing", "SENDER_DOMAIN_MISSING", 2, "sender-domain-missing"],
    [there, "no-mail", "SENDER_DOMAIN_NO_MAIL", 2, "sender-domain-no-mail"],
    [{ "MX friend.test": [mx(0, "")] }, "null-mx", "SENDER_NULL_MX", 2, "sender-null-mx"],
    [
      { "MX friend.test": "SERVFAIL" },
      "unresolved",
      "SENDER_DOMAIN_UNRESOLVED",
      0,
      "sender-domain-unresolved",
    ],
  ] as const) {
    const stamped = await run("a@friend.test", zone as Zone);
    assert.equal(stamped.evidence?.status, status);
    assert.deepEqual(
      [stamped.kind, stamped.symbol, stamped.score],
      ["neutral", symbol, score],
      status,
    );
    const strict = await run("a@friend.test", zone as Zone, STRICT);
    assert.equal(strict.cause, cause);
    assert.equal(strict.kind, status === "unresolved" ? "defer" : "reject");
  }
});

test("an MX that cannot be asked is undecided, whatever addresses there are", async () => {
  const zone = { "MX friend.test": "no answer within 2000 ms", "A friend.test": ["192.0.2.1"] };
  const got = await run("a@friend.test", zone);
  assert.equal(got.evidence?.status, "unresolved");
  assert.deepEqual(got.asked, ["MX friend.test"]);
  const late = { "MX friend.test": [], "A friend.test": "SERVFAIL" };
  assert.equal((await run("a@friend.test", late)).evidence?.status, "unresolved");
});

test("NXDOMAIN for the MX alone is not believed: some servers say it of types they do not know", async () => {
  const lookup = toZoneResolver({ "A friend.test": ["192.0.2.1"] }).lookup;
  const resolver: JudgedMail["resolver"] = {
    lookup: (name, type, ...rest) =>
      type === "MX"
        ? Promise.resolve({ kind: "none", reason: "nxdomain" })
        : lookup(name, type, ...rest),
  };
  const got = await run("a@friend.test", {}, STRICT, { resolver });
  assert.equal(got.evidence?.status, "exists");
  const missing = await run("a@gone.test", {}, STRICT);
  assert.deepEqual(missing.asked, ["MX gone.test", "A gone.test"], "two questions, not three");
});

test("a null MX beside a real one, or twice, is not what RFC 7505 means by one", async () => {
  const beside = { "MX friend.test": [mx(0, ""), mx(10, "mail.friend.test")] };
  assert.equal((await run("a@friend.test", beside)).evidence?.status, "exists");
  const twice = { "MX friend.test": [mx(0, ""), mx(5, "")] };
  assert.equal((await run("a@friend.test", twice)).evidence?.status, "null-mx");
});

test("the null sender and an address literal have no domain, and nobody is asked", async () => {
  for (const sender of [null, "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"]) {
    const got = await run(sender, {}, STRICT);
    assert.deepEqual([got.evidence, got.kind, got.symbol], [null, "neutral", null]);
    assert.deepEqual(got.asked, []);
  }
});

test("a domain in Unicode is asked by its A-labels", async () => {
  const zone = { "MX xn--bcher-kva.test": [mx(10, "mail.test")] };
  assert.equal((await run("a@bücher.test", zone)).evidence?.status, "exists");
});

test("a used-up budget is undecided, and neither clean nor missing", async () => {
  const lookup = async () => ({ kind: "exhausted", reason: "budget" }) as const;
  const got = await run("a@friend.test", {}, STRICT, { resolver: { lookup } });
  assert.deepEqual([got.evidence?.status, got.kind], ["unresolved", "defer"]);
});

test("the evidence is JSON with every answer, bounded, and judged anew under another policy", async () => {
  const many = Array.from({ length: 30 }, (_, i) => mx(i, `m${i}.friend.test`));
  const { evidence } = await run("a@friend.test", { "MX friend.test": many });
  assert.deepEqual(JSON.parse(JSON.stringify(evidence)), evidence);
  assert.equal(evidence?.answers[0]?.records.length, 5);
  assert.equal(evidence?.answers[0]?.records[0], "0 m0.friend.test");
  const stored = (await run("a@gone.test", {})).report;
  const strict = senderDomainStage.bind(senderDomainStage.options.parse(STRICT), {
    mode: "enforce",
  });
  const facts = {} as Parameters<typeof strict.judge>[1];
  assert.equal(strict.judge(stored.evidence, facts).kind, "reject");
});

test("explain says in words what the domain is, and every answer", async () => {
  const say = async (sender: string | null, zone: Zone) =>
    sayEvidence("sender-domain", (await run(sender, zone)).report.evidence);
  assert.deepEqual(await say("a@gone.test", {}), [
    "gone.test does not exist",
    "  MX none nxdomain",
    "  A none nxdomain",
  ]);
  assert.deepEqual(await say("a@friend.test", { "MX friend.test": [mx(0, "")] }), [
    "friend.test says that it takes no mail",
    "  MX found 0 .",
  ]);
  assert.equal(
    (await say("a@friend.test", { "TXT friend.test": ["x"] }))?.[0],
    "friend.test has neither mail server nor address",
  );
  assert.equal(
    (await say("a@friend.test", { "MX friend.test": "SERVFAIL" }))?.[0],
    "friend.test cannot be looked up now",
  );
  assert.deepEqual(await say(null, {}), ["the sender has no domain"]);
});

test("unknown options are errors, and everything has a default", () => {
  const { options } = senderDomainStage;
  assert.ok(options.safeParse({}).success);
  for (const bad of [{ missing: "defer" }, { unresolved: "reject" }, { mising: "stamp" }])
    assert.ok(!options.safeParse(bad).success, JSON.stringify(bad));
});
