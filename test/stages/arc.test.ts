import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { arcStage } from "../../src/stages/arc.ts";
import { type JudgedMail, judgeSender, reportOf } from "../support/judge-stages.ts";
import {
  byEvil,
  byList,
  EVIL,
  PLAIN,
  judgeSealed as run,
  SAW_FAIL,
  ZONE,
} from "../support/sealed-mail.ts";
import { toZoneResolver, type Zone } from "../support/zone-resolver.ts";

describe("a trusted chain that cannot be verified for now", () => {
  const away = { ...ZONE, "TXT s1._domainkey.list.test": "SERVFAIL" };
  test("is not refused for good: the sender tries again", async () => {
    const got = await run(byList(), { zone: away });
    assert.deepEqual(got.marks, [
      "ARC_TEMPERROR list.test: message signature: SERVFAIL",
      "ARC_TRUST_UNKNOWN list.test",
    ]);
    assert.deepEqual([got.kind, got.cause], ["defer", "check-unavailable"]);
  });
  test("is held where policy holds, and goes on where policy lets it", async () => {
    for (const reject of ["quarantine", "stamp"]) {
      const got = await run(byList(), { zone: away, dmarc: { reject } });
      assert.equal(got.kind, reject === "stamp" ? "neutral" : "quarantine");
    }
  });
  test("is refused when it would not count anyway", async () => {
    for (const message of [
      byList(PLAIN, { results: SAW_FAIL }),
      byEvil(byList()),
      byList(PLAIN, { signed: "from" }),
    ])
      assert.equal((await run(message, { zone: away })).kind, "reject");
    assert.equal((await run(byList(), { zone: away, trustedSealers: [] })).kind, "reject");
  });
});

test("each result has its symbol and score, and none of them refuses by itself", async () => {
  const scores = { none: 1, pass: 2, fail: 3 };
  const at = async (message: string, zone: Zone = ZONE) => {
    const reports = await judgeSender({
      message: message.replaceAll("victim.test", "nobody.test"),
      resolver: toZoneResolver(zone),
      all: true,
      options: { arc: { scores } },
    });
    const { verdict } = reportOf(reports, "arc");
    assert.equal(verdict.kind, "neutral");
    return verdict.findings.map(({ symbol, score }) => [symbol, score]);
  };
  const plain = PLAIN.replace("victim.test", "nobody.test");
  assert.deepEqual(await at(plain), [["ARC_NONE", 1]]);
  assert.deepEqual(await at(byList(plain, { results: "spf=none" })), [["ARC_PASS", 2]]);
  assert.deepEqual(await at(`${byList(plain, { results: "spf=none" })}PS\r\n`), [["ARC_FAIL", 3]]);
  const away = { ...ZONE, "TXT s1._domainkey.list.test": "time-out" };
  assert.deepEqual(await at(byList(plain, { results: "spf=none" }), away), [["ARC_TEMPERROR", 0]]);
});

test("a chain of many keys uses up at most twenty queries, and then fails", async () => {
  const zone: Record<string, readonly string[]> = {};
  let message = PLAIN;
  for (let i = 0; i < 25; i++) {
    zone[`TXT s${i}._domainkey.evil.test`] = [EVIL.record];
    message = byEvil(message, { selector: `s${i}` });
  }
  const { lookup } = toZoneResolver({ ...ZONE, ...zone });
  let spent = 0;
  const resolver: JudgedMail["resolver"] = {
    lookup: async (name, type, scope, options) => {
      if (!scope.spend()) return { kind: "exhausted", reason: "budget" };
      if (name.includes("_domainkey")) spent += 1;
      return lookup(name, type, scope, options);
    },
  };
  const got = await run(message, { resolver });
  assert.equal(spent, 20);
  assert.deepEqual([got.arc.result, got.arc.temporary], ["fail", false]);
  assert.equal(got.kind, "reject");
});

test("the evidence is JSON, and is judged anew by another list of sealers", async () => {
  const { arc } = await run(byList(), { trustedSealers: [] });
  const stored = JSON.parse(JSON.stringify(arc));
  assert.deepEqual(stored, arc);
  const options = arcStage.options.parse({ trustedSealers: ["list.test"] });
  const verdict = arcStage.bind(options, { mode: "enforce" }).judge(stored, {} as never);
  assert.deepEqual(
    verdict.findings.map(({ symbol }) => symbol),
    ["ARC_PASS", "ARC_TRUSTED"],
  );
});

test("unknown options are errors, sealers must be domains, and everything has a default", () => {
  const { options } = arcStage;
  assert.deepEqual(options.parse({}), {
    trustedSealers: [],
    scores: { none: 0, pass: 0, fail: 0 },
  });
  assert.deepEqual(options.parse({ trustedSealers: ["Bücher.Example"] }), {
    trustedSealers: ["xn--bcher-kva.example"],
    scores: { none: 0, pass: 0, fail: 0 },
  });
  for (const wrong of [
    { trustedSealers: "list.test" },
    { trustedSealers: ["test"] },
    { trustedSealers: ["*.list.test"] },
    { trustedSealers: ["@list.test"] },
    { trustedSealers: ["a b.test"] },
    { trustedSealers: [""] },
    { trusted: [] },
    { scores: { temperror: 1 } },
  ])
    assert.equal(options.safeParse(wrong).success, false, JSON.stringify(wrong));
});
