import assert from "node:assert/strict";
import { test } from "node:test";
import { COUNTERS, type Counts } from "../../../src/reputation/reputation.ts";
import type { KnownRecord } from "../../../src/stages/reputation/reputation-evidence.ts";
import { reputationOptions } from "../../../src/stages/reputation/reputation-options.ts";
import { computeSrl, describeSrl, type SrlQuestion } from "../../../src/stages/reputation/srl.ts";

const OPTIONS = reputationOptions.parse({});

function record(counts: Partial<Counts>, helos: readonly string[] = []): KnownRecord {
  const all = Object.fromEntries(COUNTERS.map((name) => [name, counts[name] ?? 0]));
  return { counts: all as Counts, firstSeen: 0, lastSeen: 0, helos };
}

interface Case {
  readonly client?: Partial<Counts>;
  readonly network?: Partial<Counts>;
  readonly heloRecord?: Partial<Counts>;
  readonly domain?: Partial<Counts>;
  readonly reverseDomain?: Partial<Counts>;
  readonly reverse?: SrlQuestion["evidence"]["reverse"];
  readonly helo?: string | null;
  readonly helos?: readonly string[];
  readonly proxy?: readonly string[];
}

const CONFIRMED = { status: "found", name: "mail.friend.test", confirmed: true } as const;

function srl(one: Case, options: object = {}) {
  const seen = (subject: string, counts?: Partial<Counts>) =>
    counts ? { subject, record: record(counts) } : null;
  const { helo = "mail.friend.test", reverse = CONFIRMED, proxy = [] } = one;
  const client = one.client || one.helos ? record(one.client ?? {}, one.helos) : null;
  return computeSrl(
    {
      ip: "192.0.2.1",
      heloName: helo,
      isOurs: (name) => name === "example.org",
      evidence: {
        client: { subject: "client:192.0.2.1", record: client },
        network: seen("network:192.0.2.0/24", one.network),
        helo: seen("helo:mail.friend.test", one.heloRecord),
        domain: seen("domain:friend.test", one.domain),
        reverseDomain: seen("reverse-domain:friend.test", one.reverseDomain),
        reverse,
        proxy,
      },
    },
    Object.keys(options).length > 0 ? reputationOptions.parse(options) : OPTIONS,
  );
}

const points = (answer: ReturnType<typeof srl>, term: string) =>
  answer.terms.find((one) => one.term === term)?.points;

test("a client without a past has level 0, and its terms are told all the same", () => {
  const answer = srl({});
  assert.equal(answer.level, 0);
  assert.equal(points(answer, "bad"), 2.4);
  assert.deepEqual(
    answer.terms.map(({ term }) => term),
    ["bad", "helo", "reverse", "unknown-recipients", "proxy", "identity"],
  );
});

test("the level counts from the twentieth message on, not one before", () => {
  assert.equal(srl({ client: { spam: 19 } }).level, 0);
  assert.match(srl({ client: { spam: 19 } }).held ?? "", /19 of 20 messages/);
  assert.equal(srl({ client: { spam: 20 } }).level, 7);
  assert.equal(srl({ client: { spam: 10, virus: 5, abuse: 5 } }).level, 7, "all three are bad");
});

test("much good mail outweighs a few bad messages", () => {
  assert.equal(srl({ client: { ham: 10_000, spam: 300 } }).level, 0);
  assert.equal(srl({ client: { ham: 50, spam: 50 } }).level, 4);
  assert.equal(srl({ client: { ham: 10, spam: 90 } }).level, 7);
});

test("HELO: a name of ours, another's address, no full name, and many names", () => {
  const helo = (name: string, helos: readonly string[] = []) =>
    points(srl({ helo: name, helos }), "helo");
  assert.equal(helo("mail.friend.test"), 0);
  assert.equal(helo("[192.0.2.1]"), 0);
  assert.equal(helo("[192.0.2.9]"), 1);
  assert.equal(helo("192.0.2.9"), 1);
  assert.equal(helo("[IPv6:2001:db8::1]"), 1);
  assert.equal(helo("localhost"), 0.5);
  assert.equal(helo("EXAMPLE.org"), 1.5);
  assert.equal(helo("mx.example.org"), 1.5);
  assert.equal(helo("myexample.org"), 0);
  assert.equal(helo("a.test", ["b.test", "c.test"]), 0);
  assert.equal(helo("a.test", ["b.test", "c.test", "d.test"]), 0.2);
  assert.equal(
    helo(
      "a.test",
      [..."bcdefghi"].map((one) => `${one}.test`),
    ),
    1,
  );
  assert.equal(
    helo(
      "localhost",
      [..."bcdefghi"].map((one) => `${one}.test`),
    ),
    1.5,
    "at most",
  );
});

test("the reverse name: none, one that leads elsewhere, one of somebody else, one that fits", () => {
  const reverse = (found: SrlQuestion["evidence"]["reverse"], helo = "mail.friend.test") =>
    points(srl({ reverse: found, helo }), "reverse");
  assert.equal(reverse({ status: "none", name: null, confirmed: false }), 1);
  assert.equal(reverse({ status: "found", name: "mail.friend.test", confirmed: false }), 0.75);
  assert.equal(reverse({ status: "found", name: "v1.hoster.test", confirmed: true }), 0.4);
  assert.equal(reverse({ status: "found", name: "out7.friend.test", confirmed: true }), 0);
  assert.equal(reverse({ status: "found", name: "localhost", confirmed: true }, "localhost"), 0.4);
  assert.equal(reverse({ status: "unresolved", name: null, confirmed: false }), 0);
});

test("unknown recipients count by their share, from ten recipients on", () => {
  const unknown = (recipient: number, unknownRecipient: number) =>
    points(srl({ client: { recipient, unknownRecipient } }), "unknown-recipients");
  assert.equal(unknown(0, 9), 0);
  assert.equal(unknown(95, 5), 0.15);
  assert.equal(unknown(5, 5), 1.5);
  assert.equal(unknown(0, 500), 1.5);
});

test("a list of open proxies adds its weight", () => {
  const answer = srl({ client: { ham: 20, spam: 20 }, proxy: ["xbl.spamhaus.org"] });
  assert.equal(points(answer, "proxy"), 3);
  assert.equal(answer.level, 7);
});

test("a proven name with a good past speaks for its user, a bad or unknown one does not", () => {
  const identity = (one: Case) => points(srl(one), "identity");
  assert.equal(identity({ domain: { ham: 1000 } }), -2);
  assert.equal(identity({ domain: { ham: 10 } }), 0);
  assert.equal(identity({ domain: { ham: 70, spam: 30 } }), 0);
  assert.equal(identity({ reverseDomain: { ham: 1000 } }), -1);
  assert.equal(srl({ client: { spam: 40 }, domain: { spam: 40 } }).level, 8, "his own domain");
});

test("a bad neighbourhood is no reason to block anybody", () => {
  const network = { spam: 500 };
  const bare = { status: "none", name: null, confirmed: false } as const;
  const stranger = srl({ network, helo: "localhost", reverse: bare });
  assert.equal(stranger.level, 6);
  assert.ok(srl({ network, helo: "mx.example.org", reverse: bare, proxy: ["x"] }).level === 6);
  const own = srl({ network, helo: "localhost", reverse: bare, client: { ham: 30 } });
  assert.equal(own.level, 2, "his own past counts as soon as there is one");
});

test("in a bad neighbourhood a client is judged by his first messages", () => {
  const network = { spam: 500 };
  assert.equal(srl({ network, client: { spam: 2 } }).level, 6);
  assert.equal(srl({ network, client: { spam: 4 } }).level, 7);
  assert.equal(srl({ network, client: { ham: 4 } }).level, 2);
  assert.equal(srl({ client: { spam: 4 } }).level, 0, "elsewhere he is not");
});

test("a HELO name of bots counts against those who say it, unless it is proven theirs", () => {
  const heloRecord = { spam: 300 };
  assert.equal(srl({ heloRecord, client: { spam: 4 } }).level, 0, "mail.friend.test is his name");
  const reverse = { status: "found", name: "v1.hoster.test", confirmed: true } as const;
  assert.equal(srl({ heloRecord, reverse, client: { spam: 4 } }).level, 7);
});

test("policy sets weights, threshold and how many messages are enough", () => {
  assert.equal(srl({ client: { spam: 5 } }, { minMessages: 5 }).level, 6);
  assert.equal(srl({ client: { spam: 20 } }, { weights: { bad: 4 } }).level, 4);
  const network = { spam: 500 };
  assert.equal(srl({ network, proxy: ["x"] }, { blockAt: 5 }).level, 4, "held below it");
});

test("the sentence names the level and every term that counted", () => {
  const answer = srl({ client: { spam: 25 }, helo: "localhost" });
  assert.equal(
    describeSrl(answer),
    "SRL 8; bad +7.59 (25 of 25 messages bad), helo +0.5 (HELO localhost is no full name), " +
      "reverse +0.4 (its reverse name mail.friend.test does not go with its HELO)",
  );
  assert.equal(describeSrl(srl({ client: { spam: 1 } })).startsWith("SRL 0, not 4: 1 of 20"), true);
});
