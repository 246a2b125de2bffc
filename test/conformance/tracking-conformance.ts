import assert from "node:assert/strict";
import { test } from "node:test";
import type { DmarcResultFact, Fact, TlsSessionFact } from "../../src/pipeline/facts.ts";
import type { TraceQuery, Tracking } from "../../src/tracking/tracking.ts";
import { testId, testRecord } from "../support/test-records.ts";

/** What holds for every implementation of Tracking. `open` gives an empty one each time. */
export function trackingConformance(open: () => Promise<Tracking>): void {
  const behaves = (title: string, check: (tracking: Tracking) => Promise<void>) =>
    test(title, async () => {
      const tracking = await open();
      try {
        await check(tracking);
      } finally {
        await tracking.close();
      }
    });
  const decided = (...parameters: Parameters<typeof testRecord>): Fact => {
    const record = testRecord(...parameters);
    return { kind: "decided", at: record.decidedAt, record };
  };
  const found = async (tracking: Tracking, query: Partial<TraceQuery>) =>
    (await tracking.trace({ limit: 100, ...query })).map(({ id }) => id);

  behaves("a record comes back as it was, a search sees what was recorded before it", async (t) => {
    const record = testRecord(1);
    assert.equal(t.record({ kind: "decided", at: record.decidedAt, record }), true);
    assert.deepEqual(await t.explain(record.id), { record, fate: [] });
    const [row] = await t.trace({ limit: 1 });
    assert.deepEqual(row, {
      id: record.id,
      at: record.decidedAt,
      clientIp: "192.0.2.1",
      sender: "Sender@example.com",
      recipients: ["alice@example.org"],
      subject: "Grüße from afar",
      action: "relay",
      cause: null,
      reply: record.reply,
    });
  });

  behaves("an unknown id and an empty store are answered with nothing", async (t) => {
    assert.equal(await t.explain(testId(9)), null);
    assert.deepEqual(await t.trace({ limit: 5 }), []);
    await t.flush();
    assert.equal(t.lost(), 0);
  });

  behaves(
    "the fate is told in order of time, also when it was recorded before the decision",
    async (t) => {
      const fact = (kind: "deferred" | "delivered", at: number): Fact => ({
        kind,
        at,
        id: testId(1),
        recipients: ["alice@example.org"],
        hub: null,
        reply: kind,
      });
      t.record(fact("delivered", 30));
      t.record(fact("deferred", 20));
      t.record(decided(1));
      t.record({ ...fact("deferred", 10), id: testId(2) } as Fact);
      const story = await t.explain(testId(1));
      assert.deepEqual(
        story?.fate.map(({ at }) => at),
        [20, 30],
      );
    },
  );

  behaves("a search compares parts without case and joins its conditions by and", async (t) => {
    t.record(decided(1));
    t.record(decided(2, { sender: "", client: { ip: "2001:db8::1", port: 1 } }));
    const recipients = ["bob@example.org", "Carol@EXAMPLE.org"].map((address) => ({
      address,
      action: "reject" as const,
      cause: null,
      reply: "",
    }));
    t.record(decided(3, { recipients, message: null }));
    assert.deepEqual(await found(t, { from: "SENDER@EX" }), [testId(3), testId(2), testId(1)]);
    assert.deepEqual(await found(t, { to: "carol@example" }), [testId(3)]);
    assert.deepEqual(await found(t, { subject: "GRÜSSE" }), []);
    assert.deepEqual(await found(t, { subject: "GRÜßE" }), [testId(2), testId(1)]);
    assert.deepEqual(await found(t, { ip: "2001:DB8::1" }), [testId(2)]);
    assert.deepEqual(await found(t, { ip: "192.0.2" }), []);
    assert.deepEqual(await found(t, { to: "alice", ip: "192.0.2.1" }), [testId(1)]);
  });

  behaves(
    "mail of a trusted relay is found by the relay's address and by its origin's",
    async (t) => {
      const client = { ip: "192.0.2.1", port: 1 };
      const from = (ip: string) => ({ client, origin: { ip, helo: null } });
      t.record(decided(1));
      t.record(decided(2, from("198.51.100.7")));
      t.record(decided(3, from("2001:db8::7")));
      // Nobody knows its origin; the relay wrote it itself.
      t.record(decided(4, { client, origin: null }));
      t.record(decided(5, from("192.0.2.1")));
      t.record(decided(6, { client: { ip: "198.51.100.7", port: 1 } }));
      const ofRelay = [5, 4, 3, 2, 1].map(testId);
      assert.deepEqual(await found(t, { ip: "192.0.2.1" }), ofRelay);
      assert.deepEqual(await found(t, { ip: "198.51.100.7" }), [testId(6), testId(2)]);
      assert.deepEqual(await found(t, { ip: "2001:DB8:0:0::7" }), [testId(3)]);
      assert.deepEqual(await found(t, { ip: "192.0.2.1", limit: 2 }), ofRelay.slice(0, 2));
      for (const part of ["198.51.100", "51.100.7", "\n", "db8::7"])
        assert.deepEqual(await found(t, { ip: part }), [], part);
      const rows = await t.trace({ ip: "192.0.2.1", limit: 9 });
      const origins = rows.map(({ originIp }) => originIp);
      const [one, none] = ["192.0.2.1", undefined];
      assert.deepEqual(origins, [one, none, "2001:db8::7", "198.51.100.7", none]);
      assert.ok(rows.every(({ clientIp }) => clientIp === client.ip));
    },
  );

  behaves("newest first, no more than the limit, nothing from before the window", async (t) => {
    for (const number of [2, 1, 3]) t.record(decided(number));
    assert.deepEqual(await found(t, { limit: 2 }), [testId(3), testId(2)]);
    assert.deepEqual(await found(t, { since: testRecord(2).decidedAt }), [testId(3), testId(2)]);
  });

  behaves(
    "hostile text is data: quotes, wildcards, controls, half surrogates, __proto__",
    async (t) => {
      const hostile = [
        `'; DROP TABLE transactions; --`,
        `" OR 1=1 --`,
        `100%_\\`,
        `\u001b[2J\u202Eevil\n\u0000x`,
        `\ud800 half`,
        "__proto__",
      ];
      hostile.forEach((text, i) => {
        const evidence = JSON.parse(
          `{"__proto__": {"polluted": true}, "text": ${JSON.stringify(text)}}`,
        );
        const base = testRecord(i);
        const message = { ...base.message!, subject: text };
        const reports = [{ ...base.reports[0]!, evidence }];
        t.record(decided(i, { sender: text, message, reports, client: { ip: text, port: 1 } }));
      });
      for (const [i, text] of hostile.entries()) {
        const story = await t.explain(testId(i));
        assert.equal(story?.record.message?.subject, text);
        assert.equal(
          Object.hasOwn(story?.record.reports[0]?.evidence as object, "__proto__"),
          true,
        );
        if (i === 4) continue;
        for (const key of ["from", "subject", "ip"] as const)
          assert.deepEqual(await found(t, { [key]: text }), [testId(i)], `${key} ${i}`);
      }
      assert.deepEqual(await found(t, { subject: "%" }), [testId(2)]);
      assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    },
  );

  behaves("what is older than the border is removed with its fate, and counted", async (t) => {
    for (const number of [1, 2, 3]) t.record(decided(number));
    await t.flush();
    assert.equal(await t.expire(testRecord(3).decidedAt), 2);
    assert.deepEqual(await found(t, {}), [testId(3)]);
  });

  behaves("a closed store takes no fact and counts it as lost", async (t) => {
    t.record(decided(1));
    await t.close();
    assert.equal(t.record(decided(2)), false);
    assert.equal(t.lost(), 1);
  });

  behaves("sessions in TLS are counted by day and domain, and each is reported once", async (t) => {
    const session: TlsSessionFact = {
      kind: "tls-session",
      at: Date.UTC(2026, 10, 24, 23, 59, 59),
      domain: "example.org",
      policy: { type: "no-policy-found", domain: "example.org" },
      mxHost: "mx.example.org",
      ip: "192.0.2.1",
      ownIp: "192.0.2.2",
      failure: null,
    };
    const failure = { type: "certificate-expired", reason: "x".repeat(1000) } as const;
    for (let i = 0; i < 3; i++) t.record(session);
    t.record({ ...session, failure });
    t.record({ ...session, at: session.at + 1000 });
    t.record({ ...session, domain: "example.net" });
    const day = "2026-11-24";
    assert.deepEqual((await t.tlsDomains(day)).toSorted(), ["example.net", "example.org"]);
    const { kind: _kind, at: _at, domain: _domain, ...rest } = session;
    const counted = await t.tlsSessions(day, "example.org");
    assert.deepEqual(
      counted.toSorted((a, b) => b.count - a.count),
      [
        { ...rest, count: 3 },
        { ...rest, failure: { ...failure, reason: "x".repeat(200) }, count: 1 },
      ],
    );
    await t.noteTlsReport(day, "example.org");
    await t.noteTlsReport(day, "example.org");
    assert.deepEqual(await t.tlsDomains(day), ["example.net"]);
    assert.deepEqual(await t.tlsDomains("2026-11-25"), ["example.org"]);
    await t.expire(Date.UTC(2026, 10, 25));
    assert.deepEqual(await t.tlsSessions(day, "example.org"), []);
    assert.equal((await t.tlsSessions("2026-11-25", "example.org")).length, 1);
  });

  behaves(
    "results of DMARC are counted by day and policy domain until they are told",
    async (t) => {
      const result = (sourceIp: string, p: "none" | "reject" = "none"): DmarcResultFact => ({
        ...DMARC_RESULT,
        policy: { ...DMARC_RESULT.policy, p },
        result: { ...DMARC_RESULT.result, sourceIp },
      });
      for (const ip of ["192.0.2.1", "192.0.2.2", "192.0.2.1"]) t.record(result(ip));
      t.record(result("192.0.2.1", "reject"));
      t.record({ ...result("192.0.2.1"), domain: "example.net" });
      t.record({ ...result("192.0.2.1"), at: DMARC_RESULT.at + 1000 });
      const day = "2026-11-24";
      assert.deepEqual((await t.dmarcDomains(day)).toSorted(), ["example.net", "example.org"]);
      const counted = await t.dmarcDay(day, "example.org");
      assert.equal(counted?.policy.p, "reject");
      assert.equal(counted.leftOut, 0);
      const counts = counted.results.map(({ sourceIp, count }) => [sourceIp, count]);
      assert.deepEqual(counts.toSorted(), [
        ["192.0.2.1", 3],
        ["192.0.2.2", 1],
      ]);
      await t.noteDmarcReport(day, "example.org");
      await t.noteDmarcReport(day, "example.org");
      assert.deepEqual(await t.dmarcDomains(day), ["example.net"]);
      assert.deepEqual((await t.dmarcDay(day, "example.org"))?.results, []);
      assert.deepEqual(await t.dmarcDomains("2026-11-25"), ["example.org"]);
      assert.equal(await t.dmarcDay(day, "nobody.example"), null);
      await t.expire(Date.UTC(2026, 10, 26));
      assert.deepEqual(await t.dmarcDomains("2026-11-25"), []);
    },
  );
}

const DMARC_RESULT: DmarcResultFact = {
  kind: "dmarc-result",
  at: Date.UTC(2026, 10, 24, 23, 59, 59),
  domain: "example.org",
  policy: { p: "none", sp: "none", np: "none", adkim: "r", aspf: "r", testing: false, fo: null },
  result: {
    sourceIp: "192.0.2.1",
    disposition: "none",
    dkim: "pass",
    spf: "fail",
    reasons: [],
    headerFrom: "example.org",
    envelopeFrom: null,
    signatures: [],
    spfResult: null,
  },
};
