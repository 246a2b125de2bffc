import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryReputation } from "../../../src/reputation/memory-reputation.ts";
import type { Reputation } from "../../../src/reputation/reputation.ts";
import { toClientSubject, toNameSubject } from "../../../src/reputation/subjects.ts";
import { createReputationWorld, type ReputationWorld } from "../../support/reputation-world.ts";
import { testReport } from "../../support/test-records.ts";

const DAY_MS = 86_400_000;
const IP = "192.0.2.1";
const ZONE = {
  "PTR 1.2.0.192.in-addr.arpa": ["mail.friend.test"],
  "A mail.friend.test": [IP],
  "PTR 2.2.0.192.in-addr.arpa": ["mail.bank.test"],
  "A mail.bank.test": ["203.0.113.1"],
  "PTR 3.2.0.192.in-addr.arpa": "SERVFAIL",
};

async function countsOf({ reputation }: Pick<ReputationWorld, "reputation">, text = IP) {
  const subject = text.includes(":")
    ? toNameSubject("domain", text.slice(7))
    : toClientSubject(text);
  const answer = await reputation.look([subject]);
  assert.ok(answer.kind === "known");
  return answer.value[0]?.counts ?? null;
}

test("a spammer is refused from the twentieth message on, for a day, and then begins anew", async () => {
  const world = createReputationWorld({ zone: ZONE });
  let sent = 0;
  while (!(await world.send({ ip: IP, score: 8 })).refused) sent += 1;
  assert.equal(sent, 20);
  const blocked = await world.send({ ip: IP });
  assert.match(blocked.evidence.block?.reason ?? "", /^SRL 7; bad \+7\.49 \(20 of 20/);
  assert.equal(blocked.report.verdict.findings[0]?.symbol, "REPUTATION_BLOCKED");
  world.now += DAY_MS - 1000;
  assert.ok((await world.send({ ip: IP, score: 8 })).refused, "within the day");
  world.now += 1000;
  assert.equal(await countsOf(world), null, "attempts during the block are not counted");
  for (let i = 0; i < 20; i++)
    assert.equal((await world.send({ ip: IP, score: 8 })).refused, false, `message ${i} after it`);
  assert.ok((await world.send({ ip: IP, score: 8 })).refused);
  await world.close();
});

test("who was blocked and sends good mail afterwards is not blocked again", async () => {
  const world = createReputationWorld({ zone: ZONE });
  for (let i = 0; i < 21; i++) await world.send({ ip: "192.0.2.4", score: 8, helo: "localhost" });
  world.now += DAY_MS;
  for (let i = 0; i < 40; i++)
    assert.equal((await world.send({ ip: "192.0.2.4", helo: "localhost" })).refused, false);
  await world.close();
});

test("a client behind the same network as a spammer goes on", async () => {
  const world = createReputationWorld({ zone: ZONE });
  for (let i = 0; i < 60; i++)
    await world.send({ ip: `192.0.2.${10 + (i % 30)}`, score: 8, helo: "localhost" });
  for (let i = 0; i < 30; i++) {
    const { refused, level } = await world.send({ ip: IP, domain: "friend.test" });
    assert.equal(refused, false);
    assert.ok(level <= 6);
  }
  assert.equal((await world.send({ ip: IP, domain: "friend.test" })).level, 0);
  await world.close();
});

test("a name in the reverse zone is learned only when it leads back to the address", async () => {
  const world = createReputationWorld({ zone: ZONE });
  const good = await world.send({ ip: IP });
  assert.equal(good.evidence.reverseDomain?.subject, "reverse-domain:friend.test");
  const forged = await world.send({ ip: "192.0.2.2" });
  assert.deepEqual(forged.evidence.reverse, {
    status: "found",
    name: "mail.bank.test",
    confirmed: false,
  });
  assert.equal(forged.evidence.reverseDomain, null);
  assert.equal((await world.send({ ip: "192.0.2.3" })).evidence.reverse.status, "unresolved");
  assert.equal((await world.send({ ip: "192.0.2.4" })).evidence.reverse.status, "none");
  await world.close();
});

test("only a domain that SPF or DKIM proves is learned, and of DKIM only the author's", async () => {
  const world = createReputationWorld();
  await world.send({ ip: IP, domain: "friend.test" });
  await world.send({ ip: IP });
  assert.equal((await countsOf(world, "domain:friend.test"))?.ham, 1);
  assert.equal(await countsOf(world, "domain:a.test"), null);
  const signature = (domain: string, result: string) => ({ domain, result });
  const reports = [
    testReport("dkim", {
      evidence: {
        signatures: [
          signature("author.test", "pass"),
          signature("list.test", "pass"),
          signature("bad.author.test", "fail"),
        ],
      },
    }),
    testReport("dmarc", { evidence: { domain: "news.author.test" } }),
  ];
  await world.send({ ip: IP, reports });
  assert.equal((await countsOf(world, "domain:author.test"))?.ham, 1);
  assert.equal(await countsOf(world, "domain:list.test"), null);
  assert.equal(await countsOf(world, "domain:bad.author.test"), null);
  await world.close();
});

test("mail is learned by what others made of it", async () => {
  const world = createReputationWorld();
  const malware = { kind: "reject", cause: "malware", findings: [] } as const;
  const ip = (n: number) => `198.51.100.${n}`;
  await world.send({ ip: ip(1), score: 2.9 });
  await world.send({ ip: ip(2), score: 3 });
  await world.send({ ip: ip(3), score: 5 });
  await world.send({ ip: ip(4), cause: "client-listed" });
  await world.send({ ip: ip(5), cause: "dmarc-reject" });
  await world.send({ ip: ip(6), cause: "bare-line-ending" });
  const reports = [testReport("antivirus", { verdict: malware })];
  await world.send({ ip: ip(7), cause: "malware", reports });
  await world.send({ ip: ip(8), cause: "attachment" });
  await world.send({ ip: ip(9), cause: "recipient-unknown", recipients: 0, unknown: 3 });
  const learned: string[] = [];
  for (let n = 1; n <= 9; n++) {
    const counts = await countsOf(world, ip(n));
    const { ham, spam, virus, abuse, recipient, unknownRecipient } = counts ?? {};
    learned.push([ham, spam, virus, abuse, recipient, unknownRecipient].join(" "));
  }
  assert.deepEqual(learned, [
    "1 0 0 0 1 0",
    "0 0 0 0 1 0",
    "0 1 0 0 1 0",
    "0 1 0 0 1 0",
    "0 1 0 0 1 0",
    "0 0 0 1 1 0",
    "0 0 1 0 1 0",
    "0 0 0 0 1 0",
    "0 0 0 0 0 3",
  ]);
  await world.close();
});

test("what reputation itself adds to a score is no reason to think worse of the client", async () => {
  const scores = [5, 5, 5, 5, 5, 5, 5, 5, 5, 5];
  const world = createReputationWorld({ options: { scores, blockAt: null } });
  for (let i = 0; i < 30; i++) await world.send({ ip: IP, score: i % 2 === 0 ? 5 : 0 });
  const { level, record } = await world.send({ ip: IP });
  assert.ok(level > 0);
  assert.equal(record.score, 5);
  const before = await countsOf(world);
  await world.send({ ip: IP });
  const after = await countsOf(world);
  assert.equal(after?.spam, before?.spam);
  assert.equal(Math.round((after?.ham ?? 0) - (before?.ham ?? 0)), 1);
  await world.close();
});

test("a release takes back what the message taught, once, and malware is never taken back", async () => {
  const world = createReputationWorld();
  const { record } = await world.send({ ip: IP, score: 8 });
  await world.release(record);
  await world.release(record);
  const counts = await countsOf(world);
  assert.deepEqual([counts?.spam, counts?.ham, counts?.released], [0, 1, 1]);
  const malware = { kind: "quarantine", cause: "malware", findings: [] } as const;
  const held = await world.send({
    ip: "192.0.2.77",
    reports: [testReport("antivirus", { verdict: malware })],
  });
  await world.release(held.record);
  assert.equal((await countsOf(world, "192.0.2.77"))?.virus, 1);
  await world.close();
});

test("who is let past, and mail of ours, teaches nothing", async () => {
  const world = createReputationWorld();
  const { report, record } = await world.send({ ip: IP, score: 8 });
  const { learnedFrom } = await import("../../../src/stages/reputation/learn-outcomes.ts");
  const with_ = (changes: Partial<typeof report>) =>
    learnedFrom({ ...record, reports: [{ ...report, ...changes }] });
  assert.ok(with_({}));
  assert.equal(with_({ outcome: "skipped" }), null);
  assert.equal(with_({ outcome: "failed" }), null);
  assert.equal(learnedFrom({ ...record, reports: [] }), null);
  await world.close();
});

test("in mode observe everything is learned and nobody is blocked", async () => {
  const world = createReputationWorld({ mode: "observe" });
  for (let i = 0; i < 40; i++) await world.send({ ip: IP, score: 8 });
  const { report, evidence, level } = await world.send({ ip: IP, score: 8 });
  assert.equal(report.verdict.kind, "reject");
  assert.equal(level, 9, "no reverse name");
  assert.equal(evidence.srl, 9, "where the greylist looks for it");
  assert.equal(evidence.terms.length, 6);
  assert.equal(evidence.block, null);
  assert.equal((await countsOf(world))?.spam, 41);
  await world.close();
});

test("a store that is away has no opinion, good or bad", async () => {
  const away = { kind: "unknown", reason: "no answer" } as const;
  const memory = createMemoryReputation({ now: () => 0 });
  const reputation: Reputation = {
    ...memory,
    look: async () => away,
    blocks: { ...memory.blocks, get: async () => away },
  };
  const world = createReputationWorld({ reputation });
  const { report, evidence } = await world.send({ ip: IP });
  assert.deepEqual(report.verdict, { kind: "neutral", findings: [] });
  assert.equal(evidence.away, "no answer");
  await world.close();
});

test("lists of open proxies are believed only for the answers and zones that mean one", async () => {
  const world = createReputationWorld();
  const proxies = async (zone: string, status: string, answers: readonly string[]) => {
    const reports = [
      testReport("dnsbl", { evidence: { client: IP, zones: [{ zone, status, answers }] } }),
    ];
    return (await world.send({ ip: IP, reports })).evidence.proxy;
  };
  assert.deepEqual(await proxies("zen.spamhaus.org", "listed", ["127.0.0.4"]), [
    "zen.spamhaus.org",
  ]);
  assert.deepEqual(await proxies("zen.spamhaus.org", "listed", ["127.0.0.2"]), []);
  assert.deepEqual(await proxies("zen.spamhaus.org", "disabled", ["127.0.0.4"]), []);
  assert.deepEqual(await proxies("dnsbl.other.test", "listed", ["127.0.0.4"]), []);
  await world.close();
});
