import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../../src/base/metrics.ts";
import { parseMailbox } from "../../../src/mail/address.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { createFactBus } from "../../../src/pipeline/facts.ts";
import type { StageReport } from "../../../src/pipeline/report.ts";
import type { MailFacts } from "../../../src/pipeline/stage.ts";
import { createMemoryReputation } from "../../../src/reputation/memory-reputation.ts";
import type { Reputation } from "../../../src/reputation/reputation.ts";
import { accessStage } from "../../../src/stages/access/access.ts";
import { accessOptions } from "../../../src/stages/access/access-options.ts";
import { countHits } from "../../../src/stages/access/count-hits.ts";
import { exceptionKey } from "../../../src/stages/access/entry-key.ts";
import { createExceptionBook } from "../../../src/stages/access/exception-book.ts";
import { createFileUses } from "../../../src/stages/access/file-uses.ts";
import { senderAccessStage } from "../../../src/stages/access/sender-access.ts";
import { ENVELOPE_STAGES } from "../../../src/stages/access/sender-ruling.ts";
import { spfAccessStage } from "../../../src/stages/access/spf-access.ts";
import { type NewException, toStored } from "../../../src/stages/access/stored-exception.ts";
import { createCatalog } from "../../../src/stages/catalog.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { testRecord, testReport } from "../../support/test-records.ts";

const HOUR_MS = 3_600_000;

function world(file: object = {}) {
  const clock = createFakeClock();
  const reputation: Reputation = createMemoryReputation(clock);
  const services = { exceptions: createExceptionBook(reputation.exceptions, clock) };
  const { signal } = new AbortController();
  const facts = (spf: string | null, sender = "jane@friend.test"): MailFacts => ({
    client: { ip: "192.0.2.1", port: 40_000 },
    listener: { name: "internet", kind: "internet", hostname: "mx.example.org" },
    receivedAt: clock.now(),
    seed: "seed",
    reports: spf === null ? [] : [testReport("spf", { evidence: { result: "pass", domain: spf } })],
    helo: { verb: "EHLO", name: "mail.friend.test" },
    tls: null,
    relay: null,
    sender: parseMailbox(sender),
    mail: { body: "7bit", smtputf8: false },
  });
  const run = async (
    stage: typeof accessStage | typeof senderAccessStage,
    spf: string | null = null,
    sender?: string,
  ): Promise<StageReport> => {
    const view = facts(spf, sender);
    const dns = createLookupScope(signal);
    const bound = (stage as typeof senderAccessStage).bind(stage.options.parse(file), {
      mode: "enforce",
    });
    const evidence = (await bound.observe?.({ ...view, dns }, services, signal)) ?? null;
    return testReport(stage.name, { evidence, verdict: bound.judge(evidence, view) });
  };
  const put = async (exception: Partial<NewException>, until = clock.now() + HOUR_MS) => {
    const whole = { list: "allow", reason: "ticket", by: "jane", ...exception } as NewException;
    const key = exceptionKey(whole);
    await reputation.exceptions.put({ key, value: toStored(whole), until });
    // Until it takes effect.
    await clock.advance(1000);
    return key;
  };
  return { clock, reputation, services, run, put };
}

const kindOf = ({ verdict }: StageReport) => verdict.kind;

test("a command takes effect within a second, and ends at its time", async () => {
  const { clock, run, put } = world();
  assert.equal(kindOf(await run(accessStage)), "neutral");
  await put({ list: "block", client: "192.0.2.1" }, clock.now() + HOUR_MS);
  assert.equal(kindOf(await run(accessStage)), "reject");
  await clock.advance(HOUR_MS);
  assert.equal(kindOf(await run(accessStage)), "neutral");
});

test("of file and command the more specific entry counts, of equal ones the block", async () => {
  const both = async (file: object, exception: Partial<NewException>) => {
    const { run, put } = world(file);
    await put(exception);
    return kindOf(await run(accessStage));
  };
  const reason = "file";
  const blockNet = { block: [{ client: "192.0.2.0/24", reason }] };
  assert.equal(await both(blockNet, { client: "192.0.2.1" }), "trust");
  assert.equal(
    await both({ block: [{ client: "192.0.2.1", reason }] }, { client: "192.0.2.0/24" }),
    "reject",
  );
  assert.equal(await both(blockNet, { client: "192.0.2.0/24" }), "reject");
  const allowNet = { allow: [{ client: "192.0.2.0/24", reason }] };
  assert.equal(await both(allowNet, { list: "block", client: "192.0.2.0/24" }), "reject");
});

test("the same holds for senders: address, domain, domain above it", async () => {
  const file = {
    block: [{ sender: { domains: ["friend.test"] }, reason: "file" }],
    allow: [{ sender: { domainsAndSubdomains: ["friend.test"] }, reason: "file" }],
  };
  assert.equal(kindOf(await world(file).run(senderAccessStage)), "reject");
  const { run, put } = world(file);
  await put({ sender: { addresses: ["JANE@friend.test"] } });
  assert.equal(kindOf(await run(senderAccessStage)), "neutral", "waits for a proof");
  assert.equal(kindOf(await run(spfAccessStage, "friend.test")), "trust");
  assert.equal(kindOf(await run(senderAccessStage, null, "joe@friend.test")), "reject");
});

test("an allowed sender is let past checks of the envelope once SPF proves him, not before", async () => {
  const { run, put } = world();
  await put({ sender: { domains: ["friend.test"] }, scope: ["dnsbl", "reputation", "dmarc"] });
  assert.equal(kindOf(await run(spfAccessStage)), "neutral");
  assert.equal(kindOf(await run(spfAccessStage, "other.test")), "neutral");
  const { verdict } = await run(spfAccessStage, "friend.test");
  assert.ok(verdict.kind === "trust");
  assert.deepEqual(verdict.scope, ["dnsbl", "reputation"], "From may be somebody else");
});

test("who gives up the proof gets what he asked for", async () => {
  const { run, put } = world();
  await put({ sender: { domains: ["friend.test"] }, authenticated: false });
  assert.equal(kindOf(await run(spfAccessStage)), "trust");
});

test("a store that is away leaves in force what was read last", async () => {
  const { clock, reputation, run, put, services } = world();
  await put({ list: "block", client: "192.0.2.1" });
  assert.equal(kindOf(await run(accessStage)), "reject");
  let isAway = true;
  const away = async () => ({ kind: "unknown", reason: "no answer" }) as const;
  const shelf = {
    list: () => (isAway ? away() : reputation.exceptions.list()),
  };
  const book = createExceptionBook(shelf, clock);
  assert.equal((await book.current()).find("192.0.2.1", clock.now()), null, "nothing was read");
  isAway = false;
  await clock.advance(1000);
  assert.equal((await book.current()).find("192.0.2.1", clock.now())?.list, "block");
  isAway = true;
  await clock.advance(1000);
  assert.equal((await book.current()).find("192.0.2.1", clock.now())?.list, "block");
  assert.ok(await services.exceptions.current());
});

test("whoever comes while the entries are read for the first time waits for them", async () => {
  const { clock, reputation, put } = world();
  await put({ list: "block", client: "192.0.2.1" });
  const book = createExceptionBook(reputation.exceptions, clock);
  const both = await Promise.all([book.current(), book.current()]);
  for (const one of both) assert.equal(one.find("192.0.2.1", clock.now())?.list, "block");
});

test("a store that does not answer is waited for once, and not for long", async () => {
  const { clock, reputation, put } = world();
  await put({ list: "block", client: "192.0.2.1" });
  let answer: () => void = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const slow = { list: () => answered.then(() => reputation.exceptions.list()) };
  const book = createExceptionBook(slow, clock);
  const first = book.current();
  await clock.advance(300);
  assert.equal((await first).find("192.0.2.1", clock.now()), null);
  await clock.advance(5000);
  assert.equal((await book.current()).find("192.0.2.1", clock.now()), null, "at once");
  answer();
  await clock.advance(0);
  assert.equal((await book.current()).find("192.0.2.1", clock.now())?.list, "block");
});

test("what another version stored and we cannot read excepts nobody and breaks nothing", async () => {
  const { reputation, run, put, clock } = world();
  const until = clock.now() + HOUR_MS;
  for (const [i, value] of [
    null,
    7,
    "x",
    [],
    { list: "allow" },
    { list: "deny", client: "192.0.2.1" },
    { list: "block", client: "192.0.2.1", reason: "r", more: 1 },
  ].entries())
    await reputation.exceptions.put({ key: `k${i}`, value, until });
  assert.equal(kindOf(await run(accessStage)), "neutral");
  await put({ list: "block", client: "192.0.2.1" });
  await clock.advance(1000);
  assert.equal(kindOf(await run(accessStage)), "reject");
});

test("a transaction in which an entry spoke is one use of it", async () => {
  const { clock, reputation, run, put } = world();
  const key = await put({ list: "block", client: "192.0.2.1" });
  const metrics = createMetrics();
  const facts = createFactBus((error) => assert.fail(String(error)));
  const stop = countHits({ facts, reputation, metrics, clock });
  const report = await run(accessStage);
  const record = testRecord(1, { reports: [report, report] });
  facts.emit({ kind: "decided", at: record.decidedAt, record });
  const observed = { ...report, mode: "observe" } as const;
  facts.emit({ kind: "decided", at: 0, record: testRecord(2, { reports: [observed] }) });
  stop();
  facts.emit({ kind: "decided", at: 0, record });
  const answer = await reputation.exceptions.get([key]);
  assert.ok(answer.kind === "known");
  assert.equal(answer.value[0]?.hits, 1);
});

test("entries of the file are counted by whom they are about, with one place on the shelf a day", async () => {
  const client = "192.0.2.1";
  const file = {
    block: [{ client, reason: "file" }],
    allow: [{ sender: { domains: ["friend.test"] }, reason: "file" }],
  };
  const { clock, reputation, run } = world(file);
  const shelf = reputation.fileEntries;
  const puts: string[] = [];
  const counting: typeof shelf = {
    ...shelf,
    put(entry) {
      puts.push(entry.key);
      return shelf.put(entry);
    },
  };
  const facts = createFactBus((error) => assert.fail(String(error)));
  const metrics = createMetrics();
  countHits({ facts, reputation: { ...reputation, fileEntries: counting }, metrics, clock });
  const reports = [await run(accessStage), await run(spfAccessStage, "friend.test")];
  for (const i of [1, 2, 3])
    facts.emit({ kind: "decided", at: 0, record: testRecord(i, { reports }) });
  const keys = accessOptions
    .parse(file)
    .entries()
    .map(({ fileKey }) => fileKey);
  assert.deepEqual(puts.toSorted(), keys.toSorted());
  const hitsOf = async () => {
    const answer = await shelf.get(keys);
    return answer.kind === "known" ? answer.value.map(({ hits }) => hits) : answer;
  };
  assert.deepEqual(await hitsOf(), [3, 3]);
  await clock.advance(24 * HOUR_MS);
  facts.emit({ kind: "decided", at: 0, record: testRecord(4, { reports: reports.slice(0, 1) }) });
  assert.deepEqual(await hitsOf(), [3, 4]);
  assert.equal(puts.length, 3);
  assert.match((await metrics.expose()).text, /exception_uses_total\{source="file"\} 7$/m);
});

test("what is written in another way, or stands on another line, is the same entry", () => {
  const keyOf = (sender: object, before: readonly object[] = []) =>
    accessOptions
      .parse({ allow: [...before, { sender, reason: "r" }] })
      .entries()
      .at(-1)?.fileKey;
  const key = keyOf({ domains: ["friend.test"] });
  assert.equal(keyOf({ domains: ["FRIEND.test"] }, [{ client: "192.0.2.1", reason: "r" }]), key);
  assert.notEqual(keyOf({ domainsAndSubdomains: ["friend.test"] }), key);
});

test("a use that could not be kept is tried again with the next one", async () => {
  const { clock, reputation } = world();
  let isAway = true;
  const away = async () => ({ kind: "unknown", reason: "no answer" }) as const;
  const shelf = reputation.fileEntries;
  const hit = createFileUses(
    { ...shelf, put: (entry) => (isAway ? away() : shelf.put(entry)) },
    clock,
  );
  hit("k");
  await clock.advance(0);
  isAway = false;
  hit("k");
  const answer = await shelf.get(["k"]);
  assert.ok(answer.kind === "known");
  assert.equal(answer.value[0]?.hits, 1);
});

test("a proven sender is let past every spam check that comes before his message", () => {
  const early = createCatalog().filter(({ phase, trustable }) => trustable && phase !== "data");
  assert.deepEqual(ENVELOPE_STAGES.toSorted(), early.map(({ name }) => name).toSorted());
});
