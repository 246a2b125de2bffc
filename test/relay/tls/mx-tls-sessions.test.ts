import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type Asked, DATA, rule, STS, TLSA, zoneWith } from "./mx-tls-question.ts";

describe("sessions in TLS", () => {
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", verified: "no" } as const;
  const up = { kind: "connected", tls, address: "192.0.2.1", ownAddress: "192.0.2.9" } as const;

  async function told(t: TestContext, asked: Asked, session: Parameters<Told>[2]) {
    const { policy, ruling, asking, facts, metrics } = await rule(t, asked);
    policy.ended(asking, ruling, session);
    const counted = /policy_total\{([^}]*)\} 1/.exec((await metrics.expose()).text)?.[1] ?? null;
    return { fact: facts.at(-1) ?? null, counted };
  }
  type Told = Awaited<ReturnType<typeof rule>>["policy"]["ended"];

  it("are told with the policy, both ends and no failure when all is well", async (t) => {
    const { fact, counted } = await told(t, {}, up);
    assert.deepEqual(fact && { ...fact, at: 0 }, {
      kind: "tls-session",
      at: 0,
      domain: "example.org",
      policy: { type: "tlsa", domain: "mx.example.org", strings: [`3 1 1 ${DATA}`] },
      mxHost: "mx.example.org",
      ip: "192.0.2.1",
      ownIp: "192.0.2.9",
      failure: null,
    });
    assert.equal(counted, 'policy="dane",result="met"');
  });

  it("that failed are told in the words of RFC 8460", async (t) => {
    for (const [tlsFault, type] of [
      ["starttls", "starttls-not-supported"],
      ["handshake", "validation-failure"],
      ["certificate-expired", "certificate-expired"],
      ["certificate-name", "certificate-host-mismatch"],
      ["certificate-untrusted", "certificate-not-trusted"],
      ["dane", "validation-failure"],
    ] as const) {
      const session = { kind: "failed", reason: "why", reply: null, tlsFault } as const;
      const { fact, counted } = await told(t, {}, session);
      assert.deepEqual(fact?.failure, { type, reason: "why" });
      assert.equal(counted, 'policy="dane",result="unmet"');
    }
  });

  it("without TLS are failures although the mail went", async (t) => {
    const { fact, counted } = await told(t, { dane: false }, { ...up, tls: null });
    assert.equal(fact?.failure?.type, "starttls-not-supported");
    assert.deepEqual(fact?.policy, { type: "no-policy-found", domain: "example.org" });
    assert.equal(counted, 'policy="none",result="reported"');
  });

  it("under a policy in mode testing tell what would have failed", async (t) => {
    const zone = zoneWith({ [TLSA]: { secure: true } });
    const sts = { ...STS, mode: "testing" as const };
    const unmet = { fault: "certificate-name", reason: "for another" } as const;
    const session = { ...up, tls: { ...tls, unmet } };
    const { fact, counted } = await told(t, { zone, sts }, session);
    assert.equal(fact?.failure?.type, "certificate-host-mismatch");
    assert.equal(counted, 'policy="mta-sts",result="reported"');
    const other = await told(t, { zone, sts: { ...sts, mx: ["a.test"] } }, up);
    assert.equal(other.fact?.failure?.type, "validation-failure");
  });

  it("with TLSA records that cannot be used tell of these", async (t) => {
    const zone = zoneWith({ [TLSA]: { TLSA: [[0, 1, 1, DATA]], secure: true } });
    assert.equal((await told(t, { zone }, up)).fact?.failure?.type, "tlsa-invalid");
  });

  it("that the operator wants in the clear or by pins are nobody's business", async (t) => {
    for (const mode of ["none", "pinned"] as const)
      assert.equal((await told(t, { mode }, { ...up, tls: null })).fact, null);
  });

  it("that never came to TLS, and those of reports, are not told", async (t) => {
    const refused = { kind: "failed", reason: "refused", reply: null } as const;
    assert.equal((await told(t, {}, refused)).fact, null);
    const question = { ignoresPolicies: true };
    assert.equal((await told(t, { question }, { ...up, tls: null })).fact, null);
  });
});
