import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  byEvil,
  byHub,
  byList,
  EVIL,
  LIST,
  PLAIN,
  judgeSealed as run,
  SAW_FAIL,
  SAW_PASS,
  ZONE,
} from "../support/sealed-mail.ts";

describe("a trusted sealer who saw DMARC pass overrides its failure", () => {
  test("alone in the chain: the mail goes on without a score, and both marks name him", async () => {
    const got = await run(byList());
    assert.deepEqual(got.marks, ["ARC_PASS list.test", "ARC_TRUSTED list.test"]);
    assert.equal(got.kind, "neutral");
    assert.deepEqual(
      got.dmarc.map(({ symbol, score }) => [symbol, score]),
      [
        ["DMARC_REJECT", 0],
        ["DMARC_ARC_TRUSTED", 0],
      ],
    );
    assert.equal(got.dmarc[1]?.detail, "list.test");
  });

  for (const [name, message, sealer] of [
    [
      "first of two trusted ones: what he saw counts, not the fail that he made",
      byHub(byList(), { results: SAW_FAIL }),
      "list.test",
    ],
    ["behind a stranger: he himself saw it pass", byList(byEvil()), "list.test"],
    [
      "behind a stranger who saw nothing",
      byList(byEvil(PLAIN, { results: "spf=none" })),
      "list.test",
    ],
    ["behind his own earlier seal and a stranger's", byList(byEvil(byList())), "list.test"],
    [
      "with comments and other results around",
      byList(PLAIN, {
        results:
          "spf=pass smtp.mailfrom=a@b.test; dmarc=pass (p=reject) header.from=victim.test; dkim=pass",
      }),
      "list.test",
    ],
    ["with c=simple", byList(PLAIN, { c: "simple/simple" }), "list.test"],
  ] as const)
    test(name, async () => {
      const got = await run(message);
      assert.equal(got.kind, "neutral", got.marks.join());
      assert.equal(got.marks.at(-1), `ARC_TRUSTED ${sealer}`);
    });

  test("under p=quarantine too", async () => {
    const soft = PLAIN.replace("victim.test", "soft.test");
    const results = "dmarc=pass header.from=soft.test";
    assert.equal((await run(soft)).kind, "quarantine");
    assert.equal((await run(byList(soft, { results }))).kind, "neutral");
  });

  test("named with U-labels or in upper case in the policy, he is the same", async () => {
    const zone = { ...ZONE, "TXT s1._domainkey.xn--lst-rma.test": [LIST.record] };
    const message = byList(PLAIN, { domain: "xn--lst-rma.test" });
    assert.equal((await run(message, { zone, trustedSealers: ["LÍST.test"] })).kind, "neutral");
  });
});

const lookalikes = [
  "1ist.test",
  "xn--lst-rma.test",
  "xlist.test",
  "mail.list.test",
  "list.test.evil.test",
  "list.tes",
];
const body = "X".repeat(200);

const NEVER = {
  "no chain at all": PLAIN,
  "a sealer whom nobody trusts": byEvil(),
  "a stranger who claims the name of a trusted one in his results": byEvil(PLAIN, {
    results: `${SAW_PASS}; arc=pass header.d=list.test`,
  }),
  "a trusted sealer, and a stranger behind him": byEvil(byList()),
  "a trusted one, a stranger, and a trusted one who saw it fail": byHub(byEvil(byList()), {
    results: SAW_FAIL,
  }),
  "the results of a trusted one, copied into a stranger's own chain": byEvil(
    `ARC-Authentication-Results: i=1; mx.list.test; ${SAW_PASS}\r\n${PLAIN}`,
    { instance: 2 },
  ),
  "a trusted one who saw it fail": byList(PLAIN, { results: SAW_FAIL }),
  "a trusted one who saw no policy": byList(PLAIN, {
    results: "dmarc=none header.from=victim.test",
  }),
  "a trusted one who best-guessed": byList(PLAIN, {
    results: "dmarc=bestguesspass header.from=victim.test",
  }),
  "a trusted one who had a temporary error": byList(PLAIN, {
    results: "dmarc=temperror header.from=victim.test",
  }),
  "a trusted one who says nothing of DMARC": byList(PLAIN, {
    results: "spf=pass; dkim=pass header.d=victim.test",
  }),
  "a trusted one who does not say for whom": byList(PLAIN, { results: "dmarc=pass" }),
  "a trusted one who saw it pass for somebody else": byList(PLAIN, {
    results: "dmarc=pass header.from=evil.test",
  }),
  "a trusted one who saw it pass for a domain above": byList(PLAIN, {
    results: "dmarc=pass header.from=test",
  }),
  "a trusted one who saw it pass for a domain below": byList(PLAIN, {
    results: "dmarc=pass header.from=a.victim.test",
  }),
  "a trusted one who gives two results": byList(PLAIN, {
    results: `dmarc=fail header.from=victim.test; ${SAW_PASS}`,
  }),
  "a trusted one who repeats a stranger's words in a comment": byList(PLAIN, {
    results: `spf=fail (; ${SAW_PASS} ;)`,
  }),
  "a trusted one who repeats a stranger's words in quotes": byList(PLAIN, {
    results: `spf=fail reason="; ${SAW_PASS}"`,
  }),
  "a seal of a trusted name with a stranger's key": byEvil(PLAIN, { domain: "list.test" }),
  "a trusted seal over a message signature of a stranger who has no key": byList(PLAIN, {
    signatureDomain: "nokey.test",
  }),
  "a trusted chain whose body was edited afterwards": byList().replace(
    "\r\n\r\nHello",
    "\r\n\r\nPay now",
  ),
  "a trusted chain with text behind its body": `${byList()}Pay now\r\n`,
  "a trusted chain with l= and text behind it": `${byList(PLAIN, { more: "; l=7" })}Pay now\r\n`,
  "a trusted chain with another Subject": byList().replace("Subject: Hello", "Subject: Pay"),
  "a trusted chain whose Subject is not signed": byList(PLAIN, { signed: "from" }),
  "a trusted chain with a second Subject on top": byList().replace(
    "Subject:",
    "Subject: Pay\r\nSubject:",
  ),
  "a trusted chain with another From": byList(PLAIN.replace("ceo@victim.test", "x@evil.test"), {
    results: "dmarc=pass header.from=evil.test",
  }).replace("From: x@evil.test", "From: ceo@victim.test"),
  "a trusted chain, moved to a mail of the victim": byList(
    PLAIN.replace("ceo@victim.test", "x@evil.test"),
    {
      results: "dmarc=pass header.from=evil.test",
    },
  ).replace(
    /From: x@evil\.test\r\nSubject: Hello\r\n\r\nHello/,
    "From: ceo@victim.test\r\nSubject: Hello\r\n\r\nPay",
  ),
  "a trusted chain that is expired": byList(PLAIN, { more: "; t=1000000000; x=1000000600" }),
  "a trusted chain that its sealer closed": byHub(byList(), { cv: "fail" }),
  "a closed chain that a trusted one sealed on": byList(byEvil(PLAIN, { cv: "fail" })),
  "a failed chain that a trusted one sealed all the same": byList(
    byEvil().replace("\r\n\r\nHello", "\r\n\r\nHi"),
    {
      cv: "fail",
    },
  ),
  "a trusted chain without its first set": byHub(PLAIN, { instance: 2 }),
  "a trusted seal given twice": `${/^ARC-Seal:.*\r\n(?:[ \t].*\r\n)*/.exec(byList())?.[0]}${byList()}`,
  "a trusted set with a second set of the same instance": byEvil(byList(), { instance: 1 }),
  "a trusted set of instance 0": byList(PLAIN, { instance: 0 }),
  "a trusted set of instance 51": byList(byList(), { instance: 51 }),
  "an oldest signature that passes under a newest that does not": byHub(byList()).replace(
    /(ARC-Message-Signature: i=2;[\s\S]*?bh=)./,
    "$1/",
  ),
  "a weak algorithm": byList(PLAIN, { key: { ...LIST, algorithm: "rsa-sha1" } }),
  "huge results": byList(PLAIN, { results: `x=${body.repeat(50)}; ${SAW_PASS}` }),
  ...Object.fromEntries(
    lookalikes.map((domain) => [
      `a name that looks like a trusted one: ${domain}`,
      byEvil(PLAIN, { domain }),
    ]),
  ),
};

describe("nothing else overrides it: the mail is refused", () => {
  const zone = {
    ...ZONE,
    ...Object.fromEntries(
      lookalikes.map((domain) => [`TXT s1._domainkey.${domain}`, [EVIL.record]]),
    ),
  };
  for (const [name, message] of Object.entries(NEVER))
    test(name, async () => {
      const [whole, ...cut] = await Promise.all(
        [65_536, 1, 7].map((chunkBytes) => run(message, { zone, chunkBytes })),
      );
      assert.ok(whole);
      const marks = whole.marks.join();
      assert.deepEqual([whole.kind, whole.cause], ["reject", "dmarc-reject"], marks);
      assert.doesNotMatch(marks, /ARC_TRUST/);
      for (const one of cut) assert.deepEqual(one, whole);
    });

  test("a perfect chain of a sealer whom the policy does not name", async () => {
    assert.equal((await run(byList(), { trustedSealers: [] })).kind, "reject");
    assert.equal((await run(byList(), { trustedSealers: ["hub.test"] })).kind, "reject");
  });

  test("and a From that names two authors is no mail of the one who was sealed", async () => {
    const two = byList().replace("From: ", "From: x@evil.test\r\nFrom: ");
    const got = await run(two);
    assert.equal(got.arc.from, null);
    assert.ok(!got.marks.some((mark) => mark.startsWith("ARC_TRUST")));
  });
});
