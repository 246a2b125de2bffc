import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { isVisible } from "../../src/cli/visible-text.ts";
import type { Cause } from "../../src/pipeline/cause.ts";
import type { Fact } from "../../src/pipeline/facts.ts";
import type { StageReport } from "../../src/pipeline/report.ts";
import type { Verdict } from "../../src/pipeline/verdict.ts";
import { testId, testRecord, testReport } from "../support/test-records.ts";

const text = (...parameters: Parameters<typeof testRecord>) =>
  describeStory({ record: testRecord(...parameters), fate: [] }).join("\n");

describe("explain", () => {
  test("signatures and seals are told, and why there is none", () => {
    const signatures = [{ domain: "example.org", selector: "r1", algorithm: "rsa-sha256" }];
    assert.match(
      text(1, { signing: [{ kind: "signed", signatures }] }),
      /^ {2}signed +as example\.org, selector r1 \(rsa-sha256\)$/m,
    );
    assert.match(
      text(1, { signing: [{ kind: "unsigned", reason: "there is no key" }] }),
      /^ {2}not signed +because there is no key$/m,
    );
    const seal = { domain: "example.org", selector: "a1", instance: 2, cv: "pass" };
    assert.match(
      text(1, { signing: [{ kind: "sealed", ...seal }] }),
      /^ {2}sealed +as ARC set 2 of example\.org, selector a1, chain before: pass$/m,
    );
    assert.match(
      text(1, { signing: [{ kind: "unsealed", reason: "its chain is broken" }] }),
      /^ {2}not sealed +because its chain is broken$/m,
    );
  });

  test("a refusal is told in order: who, what was said, what each stage saw, decision, reply", () => {
    const record = testRecord(1, {
      action: "reject",
      cause: "client-listed",
      stage: "dnsbl",
      score: 6,
      scl: 5,
      via: null,
      message: null,
      tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
      reply: "550 5.7.1 Service unavailable",
      recipients: [
        {
          address: "alice@example.org",
          action: "reject",
          cause: "client-listed",
          reply: "550 5.7.1 Service unavailable",
        },
      ],
      reports: [
        testReport("spf", { outcome: "timeout", error: "not finished within 6000 ms" }),
        testReport("access", { phase: "connect", evidence: { client: "192.0.2.1" }, ms: 0.1 }),
        testReport("dnsbl", {
          phase: "connect",
          ms: 120,
          evidence: {
            client: "192.0.2.1",
            zones: [{ zone: "zen.test", status: "listed", answers: ["127.0.0.2"] }],
          },
          verdict: {
            kind: "reject",
            cause: "client-listed",
            findings: [{ symbol: "DNSBL_LISTED", score: 6, detail: "zen.test" }],
          },
        }),
      ],
    });
    assert.deepEqual(describeStory({ record, fate: [] }), [
      `Transaction ${record.id}`,
      "  decided     2026-01-01 00:00:01 UTC, 500 ms after the start, policy 0123abcd",
      "  client      192.0.2.1 port 40000, at internet (mx.example.org)",
      "  said        EHLO client.example.com, over TLSv1.3 TLS_AES_256_GCM_SHA384",
      "  sender      <Sender@example.com>",
      "  recipients  <alice@example.org>",
      "  message     none came",
      "",
      "What the stages saw",
      "  connect",
      "    access: neutral (0.1 ms)",
      "    dnsbl: reject, cause client-listed (120 ms)",
      "      zen.test: listed (127.0.0.2)",
      "      DNSBL_LISTED +6: zen.test",
      "  mail",
      "    spf: did not answer in time, which counts as neutral (1.5 ms)",
      "      error: not finished within 6000 ms",
      "",
      "Decision",
      "  reject, cause client-listed, decided by the stage dnsbl; score 6, SCL 5",
      "  <alice@example.org>: reject (client-listed); at RCPT: 550 5.7.1 Service unavailable",
      "  the client was told: 550 5.7.1 Service unavailable",
      "  nothing was kept: the message stayed with the client",
      "  what helps: Ask the named list to remove the address, or ask us for an entry in access.yaml.",
      "",
      "Fate",
      "  nothing more happened",
    ]);
  });

  test("the fate of a message is told event by event", () => {
    const base = { id: testId(1), recipients: ["a@x.test", "b@x.test"], holdId: "H1", by: "admin" };
    const delivery = { ...base, hub: "10.1.0.25:25", reply: "250 ok" };
    const fate = [
      { kind: "held", at: 0, ...base, cause: "spam" },
      { kind: "released", at: 1000, ...base },
      { kind: "deferred", at: 2000, ...delivery, hub: null, reply: "no route" },
      { kind: "refused", at: 3000, ...delivery, reply: "550 no" },
      { kind: "bounced", at: 4000, ...delivery, bounceTo: "s@y.test" },
      { kind: "delivered", at: 5000, ...delivery },
      { kind: "deleted", at: 6000, ...base },
      { kind: "told-of-delay", at: 7000, ...delivery, bounceTo: "s@y.test", reply: "450 full" },
      { kind: "told-of-relay", at: 8000, ...delivery, bounceTo: "s@y.test" },
      { kind: "bounce-dropped", at: 9000, ...delivery, recipients: ["s@y.test"], reply: "550 no" },
      { kind: "queue-held", at: 10_000, ...base, entry: "E1", reason: "planned work" },
      { kind: "queue-released", at: 11_000, ...base, entry: "E1", reason: "" },
      { kind: "queue-dropped", at: 12_000, ...base, entry: "E1", reason: "with a bounce" },
      { kind: "beamed", at: 13_000, new: true },
    ] as readonly unknown[] as readonly Fact[];
    const lines = describeStory({ record: testRecord(1), fate });
    assert.deepEqual(lines.slice(lines.indexOf("Fate") + 1), [
      "  1970-01-01 00:00:00  held as H1 for <a@x.test>, <b@x.test>, cause spam",
      "  1970-01-01 00:00:01  H1 was released by admin for <a@x.test>, <b@x.test>",
      "  1970-01-01 00:00:02  put off for <a@x.test>, <b@x.test>: no route",
      "  1970-01-01 00:00:03  refused for <a@x.test>, <b@x.test> by 10.1.0.25:25: 550 no",
      "  1970-01-01 00:00:04  a bounce for <a@x.test>, <b@x.test> went to <s@y.test>: 250 ok",
      "  1970-01-01 00:00:05  delivered to 10.1.0.25:25 for <a@x.test>, <b@x.test>: 250 ok",
      "  1970-01-01 00:00:06  H1 was deleted by admin",
      "  1970-01-01 00:00:07  told <s@y.test> of the delay for <a@x.test>, <b@x.test>: 450 full",
      "  1970-01-01 00:00:08  told <s@y.test>, who asked for it, that it was passed on for <a@x.test>, <b@x.test>: 250 ok",
      "  1970-01-01 00:00:09  a notice to <s@y.test> could not be delivered and was dropped: 550 no",
      "  1970-01-01 00:00:10  held in the queue by admin for <a@x.test>, <b@x.test>: planned work",
      "  1970-01-01 00:00:11  let go in the queue by admin for <a@x.test>, <b@x.test>",
      "  1970-01-01 00:00:12  dropped from the queue by admin for <a@x.test>, <b@x.test>: with a bounce",
      '  1970-01-01 00:00:13  another version of the gateway noted: {"kind":"beamed","at":13000,"new":true}',
    ]);
  });

  test("every holder of the mail, a dropped transaction and a null sender have their words", () => {
    assert.match(text(1), /the hub had accepted the message before we answered/);
    assert.match(text(1, { via: "spool" }), /safe in the spool/);
    assert.match(text(1, { via: "quarantine", action: "quarantine" }), /safe in quarantine/);
    const dropped = text(1, { via: null, action: "dropped", reply: "", sender: "" });
    assert.match(dropped, /the client ended the transaction/);
    assert.match(dropped, /told nothing more/);
    assert.match(dropped, /sender {6}<>/);
  });

  test("skipped, observed, failed, trusting and unknown verdicts are told apart", () => {
    const reports: StageReport[] = [
      testReport("a", { outcome: "skipped", evidence: null }),
      testReport("b", { mode: "observe" }),
      testReport("c", { outcome: "failed", evidence: null, error: "broken" }),
      testReport("d", { verdict: { kind: "trust", findings: [], scope: ["dnsbl"] } }),
      testReport("e", { verdict: { kind: "unknown", findings: [], missing: ["dns"] } }),
      testReport("f", { phase: "rcpt", recipient: "alice@example.org" }),
    ];
    const told = text(1, { reports });
    for (const part of [
      "a: skipped, because an earlier stage trusts",
      "b: neutral",
      "(only observed: the verdict counted for nothing)",
      "c: failed, which counts as neutral",
      "error: broken",
      "d: trust in dnsbl",
      "e: unknown, missing dns",
      "f for <alice@example.org>: neutral",
    ])
      assert.ok(told.includes(part), part);
  });

  test("nothing that mail brings moves, colours or reorders a line", () => {
    const hostile = "\u001b[2J\u202e\r\n\u2028fake line\u0000\u009b";
    const verdict: Verdict = {
      kind: "reject",
      cause: "spam",
      findings: [{ symbol: hostile, score: 1, detail: hostile }],
    };
    const record = testRecord(1, {
      sender: hostile,
      helo: { verb: "EHLO", name: hostile },
      reply: hostile,
      recipients: [{ address: hostile, action: "reject", cause: null, reply: hostile }],
      message: { size: 1, sha256: "", messageId: hostile, subject: hostile, from: hostile },
      reports: [
        testReport(hostile, {
          evidence: { [hostile]: hostile, list: [hostile] },
          error: hostile,
          verdict,
        }),
        testReport("dnsbl", {
          evidence: {
            zones: [{ zone: hostile, status: hostile, answers: [hostile], text: hostile }],
          },
        }),
      ],
    });
    const fate: Fact[] = [
      {
        kind: "delivered",
        at: 1,
        id: testId(1),
        recipients: [hostile],
        hub: hostile,
        reply: hostile,
      },
    ];
    for (const line of describeStory({ record, fate })) assert.equal(isVisible(line), true, line);
  });

  test("a record of another version is told as far as it can be understood", () => {
    const reports = [
      testReport("dnsbl", { evidence: { zones: "none" } }),
      testReport("spf", {
        phase: "later" as never,
        evidence: JSON.parse('{"__proto__": {"x": 1}}'),
      }),
    ];
    const told = text(1, { reports, cause: "no-longer-known" as Cause });
    assert.match(told, /zones: none/);
    assert.match(told, /__proto__:/);
    assert.match(told, / {2}later/);
  });

  test("a fate tells the server, its address, its TLS, and what demanded it", () => {
    const fact = (more: object): Fact => ({
      kind: "delivered",
      at: 0,
      id: testId(1),
      recipients: ["a@x.test"],
      hub: "mx1.x.test:25",
      reply: "250 ok",
      ...more,
    });
    const told = (more: object) =>
      describeStory({ record: testRecord(1), fate: [fact(more)] })
        .at(-1)
        ?.trim()
        .split("  ")
        .at(-1);
    const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
    assert.equal(told({}), "delivered to mx1.x.test:25 for <a@x.test>: 250 ok");
    assert.equal(
      told({ address: "192.0.2.1", tls: null }),
      "delivered to mx1.x.test:25 (192.0.2.1, in the clear) for <a@x.test>: 250 ok",
    );
    assert.equal(
      told({ address: "192.0.2.1", tls: { ...tls, verified: "no" } }),
      "delivered to mx1.x.test:25 (192.0.2.1, TLSv1.3, certificate not checked) for <a@x.test>: 250 ok",
    );
    const unmet = { fault: "certificate-name", reason: "the certificate is for y.test" };
    assert.match(
      told({ address: "192.0.2.1", tls: { ...tls, verified: "no", unmet } }) ?? "",
      /TLSv1\.3, not verified: the certificate is for y\.test\)/,
    );
    const verified = { ...tls, verified: "ca", match: "mx1.x.test" };
    assert.equal(
      told({ address: "192.0.2.1", tls: verified, tlsPolicy: "MTA-STS enforce" }),
      "delivered to mx1.x.test:25 (192.0.2.1, TLSv1.3, certificate for mx1.x.test, MTA-STS enforce) for <a@x.test>: 250 ok",
    );
    const passedOver = [{ hub: "mx0.x.test:25", reason: "it failed a moment ago" }];
    assert.equal(
      told({ address: "192.0.2.1", tls: null, passedOver }),
      "delivered to mx1.x.test:25 (192.0.2.1, in the clear; not mx0.x.test:25: it failed a moment ago) for <a@x.test>: 250 ok",
    );
    assert.equal(
      told({ kind: "deferred", reply: "refused", passedOver }),
      "put off for <a@x.test> by mx1.x.test:25 (not mx0.x.test:25: it failed a moment ago): refused",
    );
    assert.match(
      told({ kind: "refused", address: "192.0.2.1", tls: null }) ?? "",
      /^refused for <a@x\.test> by mx1\.x\.test:25 \(192\.0\.2\.1, in the clear\): 250 ok$/,
    );
  });
});
