import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  isMxAllowed,
  parseStsPolicy,
  policyLines,
  type StsPolicy,
} from "../../../src/relay/tls/mta-sts-policy.ts";

const BODY =
  "version: STSv1\r\nmode: enforce\r\nmx: MX1.example.org\r\nmx: *.example.net\r\nmax_age: 604800\r\n";

describe("the policy file of MTA-STS", () => {
  const kindOf = (body: string) => parseStsPolicy(body).kind;

  it("is read with either line end, in any order, with fields that we do not know", () => {
    const policy = {
      mode: "enforce",
      mx: ["mx1.example.org", "*.example.net"],
      maxAgeSeconds: 604_800,
    };
    assert.deepEqual(parseStsPolicy(BODY), { kind: "policy", policy });
    const shuffled = BODY.trimEnd().split("\r\n").reverse().join("\n");
    const reversed = { ...policy, mx: policy.mx.toReversed() };
    assert.deepEqual(parseStsPolicy(shuffled), { kind: "policy", policy: reversed });
    assert.deepEqual(parseStsPolicy(`${BODY}later: what we do not know\n`), {
      kind: "policy",
      policy,
    });
  });

  it("takes the first of a field that is there twice", () => {
    const parsed = parseStsPolicy(`${BODY}mode: none\nmax_age: 1\n`);
    assert.equal(parsed.kind === "policy" && parsed.policy.mode, "enforce");
    assert.equal(parsed.kind === "policy" && parsed.policy.maxAgeSeconds, 604_800);
  });

  it("needs no mx when there is no policy any more", () => {
    assert.equal(kindOf("version: STSv1\nmode: none\nmax_age: 86400"), "policy");
    assert.equal(kindOf("version: STSv1\nmode: testing\nmax_age: 86400"), "invalid");
  });

  it("keeps nothing for longer than a year", () => {
    const parsed = parseStsPolicy(BODY.replace("604800", "9999999999"));
    assert.equal(parsed.kind === "policy" && parsed.policy.maxAgeSeconds, 31_557_600);
  });

  it("is refused as a whole when any part of it is wrong", () => {
    for (const [part, wrong] of [
      ["version: STSv1", "version: STSv2"],
      ["version: STSv1", "v: STSv1"],
      ["mode: enforce", "mode: Enforce"],
      ["mode: enforce", "mode:"],
      ["max_age: 604800", "max_age: 1e6"],
      ["max_age: 604800", "max_age: -1"],
      ["max_age: 604800", "max_age: 12345678901"],
      ["mx: MX1.example.org", "mx: mx 1.example.org"],
      ["mx: MX1.example.org", "mx: *"],
      ["mx: MX1.example.org", "mx: a.*.example.org"],
      ["mx: MX1.example.org", "mx: **.example.org"],
      ["mx: MX1.example.org", "mx: .example.org"],
      ["mx: MX1.example.org", "mx:"],
      ["mx: MX1.example.org", "no colon here"],
      ["mx: MX1.example.org", ""],
      ["mx: MX1.example.org", "other: \0"],
    ] as const)
      assert.equal(kindOf(BODY.replace(part, wrong)), "invalid", wrong);
    assert.equal(kindOf(""), "invalid");
    assert.equal(kindOf("<html>not found</html>"), "invalid");
    assert.equal(kindOf(BODY + "mx: a.example.org\n".repeat(200)), "invalid");
  });

  it("never throws, and what it takes reads the same again", () => {
    const part = fc.constantFrom(
      "version: STSv1",
      "mode: testing",
      "mx: ",
      "*.",
      "a.b",
      "\n",
      "max_age: 7",
      ":",
      "\r",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 20 }), (parts) => {
        const parsed = parseStsPolicy(parts.join(""));
        if (parsed.kind === "invalid") return;
        const again = parseStsPolicy(policyLines(parsed.policy).join("\n"));
        assert.deepEqual(again, parsed);
      }),
      { numRuns: 2000 },
    );
  });

  it("matches hosts by name or by one label under a wildcard", () => {
    const policy: StsPolicy = {
      mode: "enforce",
      mx: ["mx.example.org", "*.example.net"],
      maxAgeSeconds: 1,
    };
    const allowed = (host: string) => isMxAllowed(policy, host);
    assert.ok(allowed("mx.example.org"));
    assert.ok(allowed("a.example.net"));
    for (const host of [
      "example.net",
      "a.b.example.net",
      "xmx.example.org",
      "mx.example.org.evil.example",
      "localhost",
    ])
      assert.ok(!allowed(host), host);
  });
});
