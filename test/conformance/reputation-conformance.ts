import assert from "node:assert/strict";
import { test } from "node:test";
import type { GreylistTimes } from "../../src/reputation/greylist.ts";
import type { Answer, Counter, Reputation, Subject } from "../../src/reputation/reputation.ts";
import { HELO_NAMES, RECORD_LIFE_MS } from "../../src/reputation/subject-record.ts";
import { toClientSubject, toNameSubject, toNetworkSubject } from "../../src/reputation/subjects.ts";
import { createSetClock, type SetClock } from "../support/set-clock.ts";

const DAY = 86_400_000;
const MINUTE = 60_000;
const ANN = toClientSubject("192.0.2.1");
const TIMES: GreylistTimes = { delayMs: 5 * MINUTE, windowMs: DAY, passMs: 35 * DAY };

export type OpenReputation = (clock: SetClock) => Promise<Reputation>;

type Check = (reputation: Reputation, clock: SetClock) => Promise<void>;

/** What holds for every implementation of Reputation. */
export function reputationConformance(open: OpenReputation): void {
  const behaves = (title: string, check: Check) =>
    test(title, async () => {
      const clock = createSetClock();
      const reputation = await open(clock);
      try {
        await check(reputation, clock);
      } finally {
        await reputation.close();
      }
    });
  learns(behaves);
  forgets(behaves);
  greylists(behaves);
  keepsShelves(behaves);
}

type Behaves = (title: string, check: Check) => void;

function learns(behaves: Behaves): void {
  behaves("of who was never seen nothing is known", async (reputation) => {
    assert.deepEqual(answered(await reputation.look([ANN])), [null]);
    assert.deepEqual(answered(await reputation.look([])), []);
  });

  behaves("what is learned is seen at once, and after it is written", async (reputation, clock) => {
    reputation.learn([{ subject: ANN, add: { ham: 2, recipient: 5 }, helo: "Mail.Example.ORG" }]);
    const check = async () => {
      const [record] = answered(await reputation.look([ANN]));
      assert.ok(record);
      assert.deepEqual(record.subject, ANN);
      assert.equal(record.counts.ham, 2);
      assert.equal(record.counts.recipient, 5);
      assert.equal(record.counts.spam, 0);
      assert.deepEqual(record.helos, ["mail.example.org"]);
      assert.equal(record.firstSeen, clock.now());
      assert.equal(record.lastSeen, clock.now());
    };
    await check();
    await reputation.flush();
    await check();
  });

  behaves("records come in the order asked, of every kind of subject", async (reputation) => {
    const network = toNetworkSubject("192.0.2.1");
    assert.ok(network);
    const names = (["helo", "reverse-domain", "domain"] as const).map((kind) =>
      toNameSubject(kind, "example.org"),
    );
    const subjects = [network, ANN, ...names];
    reputation.learn(subjects.map((subject, i) => ({ subject, add: { spam: i + 1 } })));
    await reputation.flush();
    const unknown = toClientSubject("192.0.2.99");
    const found = answered(await reputation.look([...subjects, unknown].reverse()));
    assert.deepEqual(
      found.map((record) => record?.counts.spam ?? null),
      [null, 5, 4, 3, 2, 1],
    );
  });

  behaves("counters halve in seven days, each time anew", async (reputation, clock) => {
    await teach(reputation, ANN, { ham: 8 });
    clock.pass(7 * DAY);
    assert.equal(await count(reputation, ANN, "ham"), 4);
    await teach(reputation, ANN, { ham: 4 });
    clock.pass(14 * DAY);
    assert.equal(await count(reputation, ANN, "ham"), 2);
  });

  behaves("many lessons add up, also of several at once", async (reputation) => {
    const lessons = Array.from({ length: 100 }, () => ({ subject: ANN, add: { spam: 1 } }));
    for (const lesson of lessons) reputation.learn([lesson]);
    const flushing = reputation.flush();
    reputation.learn(lessons);
    assert.equal(await count(reputation, ANN, "spam"), 200);
    await flushing;
    await reputation.flush();
    assert.equal(await count(reputation, ANN, "spam"), 200);
  });

  behaves("unlearning takes away, and never below nothing", async (reputation) => {
    await teach(reputation, ANN, { spam: 3, ham: 1 });
    await teach(reputation, ANN, { spam: -1, ham: -5 });
    assert.equal(await count(reputation, ANN, "spam"), 2);
    assert.equal(await count(reputation, ANN, "ham"), 0);
    const nobody = toClientSubject("192.0.2.2");
    await teach(reputation, nobody, { spam: -1 });
    assert.deepEqual(answered(await reputation.look([nobody])), [null]);
  });

  behaves(
    "the HELO names of a client are told apart, bounded, and age",
    async (reputation, clock) => {
      for (let i = 0; i < HELO_NAMES + 4; i++)
        reputation.learn([{ subject: ANN, helo: `host${i}` }]);
      await reputation.flush();
      await teachHelo(reputation, "host11", "x".repeat(500), "HOST11");
      const [record] = answered(await reputation.look([ANN]));
      assert.equal(record?.helos.length, HELO_NAMES);
      assert.equal(record.helos[0], "host11");
      assert.equal(record.helos[1], "x".repeat(64));
      assert.equal(new Set(record.helos).size, HELO_NAMES);
      clock.pass(4 * DAY);
      await teachHelo(reputation, "new");
      clock.pass(4 * DAY);
      assert.deepEqual(answered(await reputation.look([ANN]))[0]?.helos, ["new"]);
    },
  );

  behaves("a node whose clock is behind does not make counters grow", async (reputation, clock) => {
    await teach(reputation, ANN, { ham: 4 });
    clock.pass(-7 * DAY);
    assert.equal(await count(reputation, ANN, "ham"), 4);
    await teach(reputation, ANN, { ham: 1 });
    assert.equal(await count(reputation, ANN, "ham"), 5);
  });
}

function forgets(behaves: Behaves): void {
  behaves("who is forgotten is as one never seen", async (reputation) => {
    await teach(reputation, ANN, { spam: 3 });
    await reputation.look([ANN]);
    assert.equal(answered(await reputation.forget([ANN, toClientSubject("192.0.2.2")])), 1);
    assert.deepEqual(answered(await reputation.look([ANN])), [null]);
    reputation.learn([{ subject: ANN, add: { ham: 1 } }]);
    assert.equal(await count(reputation, ANN, "spam"), 0);
  });

  behaves("who is not heard of for long is forgotten", async (reputation, clock) => {
    await teach(reputation, ANN, { spam: 1000 });
    clock.pass(RECORD_LIFE_MS);
    assert.deepEqual(answered(await reputation.look([ANN])), [null]);
    await teach(reputation, ANN, { ham: 1 });
    const [record] = answered(await reputation.look([ANN]));
    assert.equal(record?.firstSeen, clock.now());
    assert.equal(record.counts.spam, 0);
  });

  behaves("a claim is the first one's alone until it ends", async (reputation, clock) => {
    const claims = await Promise.all(
      Array.from({ length: 20 }, () => reputation.claim("release:1", DAY)),
    );
    assert.equal(claims.filter((claim) => answered(claim)).length, 1);
    assert.equal(answered(await reputation.claim("release:2", DAY)), true);
    clock.pass(DAY - 1);
    assert.equal(answered(await reputation.claim("release:1", DAY)), false);
    clock.pass(1);
    assert.equal(answered(await reputation.claim("release:1", DAY)), true);
  });
}

function greylists(behaves: Behaves): void {
  const key = "spf:example.org a@example.org b@example.net";

  behaves(
    "who comes again in time passes, and is known from then on",
    async ({ greylist }, clock) => {
      const first = clock.now();
      const touch = async () => answered(await greylist.touch(key, TIMES));
      assert.deepEqual(await touch(), { kind: "new", firstSeen: first, waitMs: TIMES.delayMs });
      clock.pass(MINUTE);
      assert.deepEqual(await touch(), { kind: "early", firstSeen: first, waitMs: 4 * MINUTE });
      clock.pass(4 * MINUTE);
      assert.deepEqual(await touch(), { kind: "passes", firstSeen: first, waitMs: 0 });
      for (let i = 0; i < 3; i++) {
        clock.pass(34 * DAY);
        assert.deepEqual(await touch(), { kind: "passed", firstSeen: first, waitMs: 0 });
      }
      clock.pass(35 * DAY);
      assert.equal((await touch()).kind, "new");
    },
  );

  behaves("who comes again too late begins anew", async ({ greylist }, clock) => {
    await greylist.touch(key, TIMES);
    clock.pass(DAY);
    assert.equal(answered(await greylist.touch(key, TIMES)).kind, "new");
  });

  behaves("a peek says what a touch would, and changes nothing", async ({ greylist }, clock) => {
    const peek = async () => answered(await greylist.peek(key, TIMES)).kind;
    assert.deepEqual([await peek(), await peek()], ["new", "new"]);
    await greylist.touch(key, TIMES);
    assert.equal(await peek(), "early");
    clock.pass(TIMES.delayMs);
    assert.deepEqual([await peek(), await peek()], ["passes", "passes"]);
    assert.equal(answered(await greylist.touch(key, TIMES)).kind, "passes");
    assert.equal(await peek(), "passed");
  });

  behaves("of many at once one is the first", async ({ greylist }) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => greylist.touch(key, TIMES)));
    assert.equal(all.filter((one) => answered(one).kind === "new").length, 1);
    const other = answered(await greylist.touch(`${key}x`, TIMES));
    assert.equal(other.kind, "new");
  });

  behaves("who is allowed passes at once; who is forgotten begins anew", async ({ greylist }) => {
    answered(await greylist.allow(key, TIMES));
    assert.equal(answered(await greylist.touch(key, TIMES)).kind, "passed");
    assert.equal(answered(await greylist.forget(key)), true);
    assert.equal(answered(await greylist.forget(key)), false);
    assert.equal(answered(await greylist.touch(key, TIMES)).kind, "new");
  });
}

function keepsShelves(behaves: Behaves): void {
  behaves("an entry is there until its end", async ({ blocks }, clock) => {
    const since = clock.now();
    const entry = {
      key: "client:192.0.2.1",
      value: { reason: "spam", srl: 7 },
      until: since + DAY,
    };
    answered(await blocks.put(entry));
    const stored = { ...entry, since, hits: 0, lastHit: null };
    assert.deepEqual(answered(await blocks.get(["client:192.0.2.9", entry.key])), [stored]);
    assert.deepEqual(answered(await blocks.list()), [stored]);
    clock.pass(DAY);
    assert.deepEqual(answered(await blocks.get([entry.key])), []);
    assert.deepEqual(answered(await blocks.list()), []);
    assert.equal(answered(await blocks.remove(entry.key)), false);
  });

  behaves(
    "shelves do not share, the latest comes first, and one goes alone",
    async (reputation, clock) => {
      const { blocks, exceptions } = reputation;
      const until = clock.now() + DAY;
      for (const key of ["a", "b", "__proto__"]) {
        await exceptions.put({ key, value: null, until });
        clock.pass(1000);
      }
      assert.deepEqual(answered(await blocks.list()), []);
      const keys = async () => answered(await exceptions.list()).map(({ key }) => key);
      assert.deepEqual(await keys(), ["__proto__", "b", "a"]);
      assert.equal(answered(await exceptions.remove("b")), true);
      assert.equal(answered(await exceptions.remove("b")), false);
      assert.deepEqual(await keys(), ["__proto__", "a"]);
    },
  );

  behaves("hits are counted, and stay when the entry is renewed", async (reputation, clock) => {
    const until = clock.now() + DAY;
    for (const shelf of [reputation.exceptions, reputation.fileEntries]) {
      // Nobody waits for the first use of an entry of a file either.
      void shelf.put({ key: "a", value: 1, until });
      clock.pass(1000);
      for (let i = 0; i < 3; i++) shelf.hit("a");
      shelf.hit("nobody");
      const [hit] = answered(await shelf.list());
      assert.deepEqual([hit?.hits, hit?.lastHit], [3, clock.now()]);
      await shelf.put({ key: "a", value: 2, until: until + 1 });
      const [again] = answered(await shelf.list());
      assert.deepEqual([again?.hits, again?.value, again?.until], [3, 2, until + 1]);
    }
  });
}

export function answered<T>(answer: Answer<T>): T {
  if (answer.kind === "unknown") assert.fail(`unknown: ${answer.reason}`);
  return answer.value;
}

async function teach(
  reputation: Reputation,
  subject: Subject,
  add: Readonly<Partial<Record<Counter, number>>>,
): Promise<void> {
  reputation.learn([{ subject, add }]);
  await reputation.flush();
}

async function teachHelo(reputation: Reputation, ...helos: readonly string[]): Promise<void> {
  for (const helo of [...helos]) reputation.learn([{ subject: ANN, helo }]);
  await reputation.flush();
}

async function count(reputation: Reputation, subject: Subject, name: Counter): Promise<number> {
  const [record] = answered(await reputation.look([subject]));
  return record?.counts[name] ?? 0;
}
