import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import { createExceptionCommands } from "../../src/control/exception-commands.ts";
import type { ExceptionRow, FileRow, MadeRow } from "../../src/control/exception-rows.ts";
import type { TransactionRecord } from "../../src/pipeline/facts.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import type { FileException } from "../../src/policy/file-exception.ts";
import { createMemoryReputation } from "../../src/reputation/memory-reputation.ts";
import type { Reputation } from "../../src/reputation/reputation.ts";
import { createSetClock, type SetClock } from "../support/set-clock.ts";
import { testRecord, testReport } from "../support/test-records.ts";

const DAY_MS = 86_400_000;
let clock: SetClock;
let reputation: Reputation;
let records: readonly TransactionRecord[] = [];
let inFile: readonly FileException[] | null = [];

beforeEach(() => {
  clock = createSetClock();
  reputation = createMemoryReputation(clock);
  records = [];
  inFile = [];
});

async function run(name: string, args: object): Promise<readonly ExceptionRow[]> {
  const find = (id: string) => records.find((record) => record.id === id);
  const commands = new Map(
    createExceptionCommands({
      reputation,
      tracking: {
        explain: async (id) => {
          const record = find(id);
          return record ? { record, fate: [] } : null;
        },
      },
      scopes: ["dnsbl", "spf", "reputation", "dmarc"],
      inFile: async () => inFile,
      log: createSilentLog(),
      clock,
    }),
  );
  return (await Array.fromAsync(commands.get(name)!(args))) as ExceptionRow[];
}

const add = async (args: object) => {
  const usual = { list: "allow", reason: "ticket 1", lifeMs: 90 * DAY_MS, by: "jane" };
  const [row] = await run("exception.add", { ...usual, ...args });
  return row as MadeRow;
};
const list = (args: object = {}) =>
  run("exception.list", { list: "allow", unused: false, ...args });
const idsOf = (rows: readonly ExceptionRow[]) =>
  rows.map((row) => (row.source === "command" ? row.id : `${row.file}:${row.line}`));

describe("exceptions by command", () => {
  test("one is there until its end, told with who made it and why", async () => {
    const row = await add({ client: "192.0.2.0/24", scope: ["dnsbl"] });
    const { id, since, until, ...rest } = row;
    assert.match(id, /^[0-9a-f]{10}$/);
    assert.equal(until - since, 90 * DAY_MS);
    assert.deepEqual(rest, {
      source: "command",
      list: "allow",
      whom: "192.0.2.0/24",
      scope: ["dnsbl"],
      authenticated: true,
      reason: "ticket 1",
      by: "jane",
      hits: 0,
      lastHit: null,
    });
    assert.deepEqual(await list(), [row]);
    assert.deepEqual(await list({ list: "block" }), []);
    clock.pass(90 * DAY_MS);
    assert.deepEqual(await list(), []);
  });

  test("the same client again changes the entry and keeps its count", async () => {
    const first = await add({ client: "192.0.2.1" });
    reputation.exceptions.hit(first.id);
    const second = await add({ client: "192.0.2.1", reason: "ticket 2" });
    assert.equal(second.id, first.id);
    assert.deepEqual(
      (await list()).map(({ reason, hits }) => [reason, hits]),
      [["ticket 2", 1]],
    );
    assert.notEqual((await add({ list: "block", client: "192.0.2.1" })).id, first.id);
  });

  test("those that nobody needed are listed apart", async () => {
    const used = await add({ client: "192.0.2.1" });
    const unused = await add({ sender: { domains: ["friend.test"] } });
    reputation.exceptions.hit(used.id);
    assert.deepEqual(idsOf(await list({ unused: true })), [unused.id]);
  });

  test("one is removed by its id, from its own list", async () => {
    const { id } = await add({ client: "192.0.2.1" });
    const by = "joe";
    await assert.rejects(run("exception.remove", { list: "block", id, by }), { code: "not-found" });
    assert.deepEqual(idsOf(await run("exception.remove", { list: "allow", id, by })), [id]);
    await assert.rejects(run("exception.remove", { list: "allow", id, by }), { code: "not-found" });
    assert.deepEqual(await list(), []);
  });

  test("what cannot be an exception is refused in words, and nothing is stored", async () => {
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ client: "192.0.2.300" }, /client: expected an IP address or a network/],
      [{ client: "192.0.2.1/24" }, /host bits/],
      [{}, /either `client` or `sender`, got neither/],
      [{ client: "192.0.2.1", sender: { domains: ["a.test"] } }, /got both/],
      [{ client: "192.0.2.1", authenticated: false }, /authenticated: expected it beside `sender`/],
      [{ sender: { addresses: ["nobody"] } }, /expected an address such as/],
      [{ sender: {} }, /expected addresses, domains or domainsAndSubdomains/],
      [{ client: "192.0.2.1", scope: ["antivirus"] }, /antivirus is no spam check .*dnsbl, spf/],
      [{ client: "192.0.2.1", scope: ["spff"] }, /spff is no spam check/],
      [{ client: "192.0.2.1", reason: "  " }, /reason/],
      [{ client: "192.0.2.1", lifeMs: 1000 }, /lifeMs/],
      [{ list: "block", client: "192.0.2.1", scope: ["dnsbl"] }, /a block has no scope/],
      [{ list: "block", sender: { domains: ["a.test"] }, authenticated: false }, /no proof/],
      [{ client: "192.0.2.1", surprise: 1 }, /surprise/],
    ];
    for (const [args, message] of cases)
      await assert.rejects(add(args), { code: "bad-request", message }, JSON.stringify(args));
    assert.deepEqual(await list(), []);
  });

  test("a store that is away is told, not passed over", async () => {
    const away = async () => ({ kind: "unknown", reason: "no answer" }) as const;
    reputation = { ...reputation, exceptions: { ...reputation.exceptions, list: away, put: away } };
    await assert.rejects(add({ client: "192.0.2.1" }), { code: "unavailable" });
    await assert.rejects(list(), { code: "unavailable" });
  });
});

const written = (changes: Partial<FileException>): FileException => ({
  list: "allow",
  reason: "ticket 3",
  endsAt: null,
  fileKey: `access.yaml:${changes.line}`,
  line: 1,
  ...changes,
});

describe("exceptions of the policy", () => {
  test("they are listed behind those by command, with where they stand", async () => {
    const endsAt = clock.now() + DAY_MS;
    inFile = [
      written({ line: 4, client: "192.0.2.0/24", scope: ["dnsbl"], endsAt }),
      written({ line: 7, sender: { domains: ["a.test", "b.test"] }, authenticated: false }),
      written({ line: 9, list: "block", client: "198.51.100.1" }),
    ];
    const made = await add({ client: "192.0.2.1" });
    const [first, second, third] = await list();
    assert.deepEqual(first, made);
    const reason = "ticket 3";
    const inAllow = { source: "file", file: "access.yaml", list: "allow", reason } as const;
    const unused = { hits: 0, lastHit: null };
    const network = { whom: "192.0.2.0/24", scope: ["dnsbl"], authenticated: true };
    const named = { whom: "a.test, b.test", scope: null, authenticated: false };
    const expected: readonly FileRow[] = [
      { ...inAllow, line: 4, ...network, until: endsAt, ...unused },
      { ...inAllow, line: 7, ...named, until: null, ...unused },
    ];
    assert.deepEqual([second, third], expected);
    assert.deepEqual(idsOf(await list({ list: "block" })), ["access.yaml:9"]);
    clock.pass(DAY_MS);
    assert.deepEqual(idsOf(await list()), [made.id, "access.yaml:7"], "one has ended");
  });

  test("their uses are told, and those that nobody needed are listed apart", async () => {
    inFile = [written({ line: 4, client: "192.0.2.1" }), written({ line: 5, client: "192.0.2.2" })];
    const key = "access.yaml:4";
    await reputation.fileEntries.put({ key, value: null, until: clock.now() + DAY_MS });
    reputation.fileEntries.hit(key);
    const told = (await list()).map(({ hits, lastHit }) => [hits, lastHit]);
    assert.deepEqual(told, [
      [1, clock.now()],
      [0, null],
    ]);
    assert.deepEqual(idsOf(await list({ unused: true })), ["access.yaml:5"]);
  });

  test("policies that cannot be used are told: that none is listed would read as none", async () => {
    inFile = null;
    await assert.rejects(list(), { code: "unavailable", message: /postern check/ });
  });
});

const spf = (result: string, domain: string) => testReport("spf", { evidence: { result, domain } });
const dkim = (domain: string) =>
  testReport("dkim", { phase: "data", evidence: { signatures: [{ domain, result: "pass" }] } });
const author = (domain: string) =>
  testReport("from-access", {
    phase: "data",
    trustable: false,
    evidence: { author: { localPart: "jane", domain } },
  });
const against = (stage: string, changes: Partial<StageReport> = {}) =>
  testReport(stage, {
    verdict: { kind: "neutral", findings: [{ symbol: "X", score: 3 }] },
    ...changes,
  });
const refusedBy = (stage: string, cause: "client-listed" | "malware" | "attachment") =>
  testReport(stage, {
    trustable: cause === "client-listed",
    verdict: { kind: "reject", cause, findings: [] },
  });

async function fromMessage(changes: Partial<TransactionRecord>, args: object = {}) {
  const record = testRecord(7, changes);
  records = [record];
  return add({ fromMessage: record.id, ...args });
}

describe("an exception from a message", () => {
  test("is for the sender in From when he is proven, and for what spoke against it", async () => {
    const reports = [spf("pass", "bounces.test"), dkim("friend.test"), author("mail.friend.test")];
    const row = await fromMessage({ reports: [...reports, against("dmarc")] });
    assert.deepEqual([row.whom, row.scope], ["jane@mail.friend.test", ["dmarc"]]);
    assert.equal(row.authenticated, true);
  });

  test("is for MAIL FROM when a check of the envelope refused it and SPF proves him", async () => {
    const reports = [refusedBy("dnsbl", "client-listed"), spf("pass", "example.com")];
    const row = await fromMessage({ message: null, stage: "dnsbl", reports });
    assert.deepEqual([row.whom, row.scope], ["Sender@example.com", ["dnsbl"]]);
  });

  test("is for the client's address when nothing is proven: a name would be anybody's", async () => {
    const reports = [spf("fail", "example.com"), against("dmarc"), author("bank.test")];
    const row = await fromMessage({ reports });
    assert.deepEqual([row.whom, row.scope], ["192.0.2.1", ["dmarc"]]);
  });

  test("is refused for malware and for what nobody is let past, and when nothing spoke against it", async () => {
    const refused = (stage: string, cause: "malware" | "attachment") =>
      fromMessage({ stage, reports: [against("spf"), refusedBy(stage, cause)] });
    await assert.rejects(refused("antivirus", "malware"), {
      code: "refused",
      message: /antivirus/,
    });
    await assert.rejects(refused("attachments", "attachment"), { code: "refused" });
    await assert.rejects(fromMessage({ reports: [spf("pass", "a.test")] }), {
      code: "refused",
      message: /nothing to lift/,
    });
    const hidden = [refusedBy("dnsbl", "client-listed"), refusedBy("antivirus", "malware")];
    await assert.rejects(fromMessage({ stage: "dnsbl", reports: hidden }), { code: "refused" });
    assert.deepEqual(await list(), []);
  });

  test("takes whom and what from the command where it names them", async () => {
    const reports = [spf("fail", "a.test"), against("dmarc")];
    const row = await fromMessage({ reports }, { client: "192.0.2.0/28", scope: ["spf"] });
    assert.deepEqual([row.whom, row.scope], ["192.0.2.0/28", ["spf"]]);
  });

  test("blocks whom a clean message came from", async () => {
    const reports = [spf("pass", "example.com"), author("example.com")];
    const row = await fromMessage({ reports }, { list: "block" });
    assert.deepEqual([row.list, row.scope], ["block", null]);
    await assert.rejects(add({ fromMessage: "nonsense" }), { code: "not-found" });
  });
});
