import assert from "node:assert/strict";
import { before, describe, it, type TestContext } from "node:test";
import { createSystemClock } from "../../../src/base/clock.ts";
import type { TlsSessionFact } from "../../../src/pipeline/facts.ts";
import type { StsPolicy } from "../../../src/relay/tls/mta-sts-policy.ts";
import { afterwards } from "../../support/afterwards.ts";
import { toBytesSource } from "../../support/bytes-source.ts";
import { type MadeCertificate, makeCertificate, toTlsa } from "../../support/made-certificate.ts";
import { openMxPolicyBench, STS_RECORD } from "../../support/mx-policy-bench.ts";
import { openRelayBench, toLeg, toTestConnector } from "../../support/relay-bench.ts";
import { type HubOptions, startScriptedHub } from "../../support/scripted-hub.ts";
import { toSpoolItem } from "../../support/spool-item.ts";

const SOURCE = toBytesSource("Subject: x\r\n\r\nbody\r\n");
const DOMAIN = "example.org";
const HOST = "mx.example.org";
const WAIT_MS = 20_000;
const STS: StsPolicy = { mode: "enforce", mx: [HOST], maxAgeSeconds: 86_400 };

interface Made {
  readonly authority: MadeCertificate;
  readonly right: MadeCertificate;
  readonly other: MadeCertificate;
}

interface Meeting {
  readonly hub: HubOptions;
  /** The certificate that the zone describes. */
  readonly described?: MadeCertificate;
  readonly sts?: StsPolicy;
  /** A mail server at the same address that the domain prefers. */
  readonly before?: string;
  /** The mail server is an alias of it, and the records are there. */
  readonly end?: string;
}

describe("mail to a mail server with a policy", () => {
  let made: Made;
  before(async () => {
    const authority = await makeCertificate("Test CA", { isAuthority: true });
    const right = await makeCertificate(HOST, { by: authority });
    made = { authority, right, other: await makeCertificate("other.example", { by: authority }) };
  });

  async function setUp(t: TestContext, { hub: options, described, sts, before, end }: Meeting) {
    const hub = await startScriptedHub(options);
    afterwards(t, () => hub.close());
    const secure = described !== undefined;
    const { usage, selector, matchingType, data } = toTlsa(described ?? made.right, 3, 1, 1);
    const bench = await openMxPolicyBench(t, {
      [DOMAIN]: { MX: [...(before ? [[5, before] as const] : []), [10, HOST]], secure },
      ...(before && { [before]: { A: [hub.host], secure } }),
      [HOST]: end === undefined ? { A: [hub.host], secure } : { CNAME: end, secure },
      ...(end && { [end]: { A: [hub.host], secure } }),
      ...(secure && {
        [`_${hub.port}._tcp.${end ?? HOST}`]: {
          TLSA: [[usage, selector, matchingType, data]],
          secure,
        },
      }),
      ...(sts && { [`_mta-sts.${DOMAIN}`]: STS_RECORD }),
    });
    if (sts) await bench.keepSts(DOMAIN, sts);
    const relayBench = await openRelayBench(t, {
      hubs: [],
      connectors: [
        toTestConnector({
          to: { kind: "mx", port: hub.port },
          tls: { mode: "opportunistic", names: [], ca: null, pins: [], identity: null },
        }),
      ],
      resolver: bench.resolver,
      tlsPolicy: bench.createPolicy,
      authorities: made.authority.cert,
    });
    return { ...relayBench, hub };
  }
  async function meet(t: TestContext, meeting: Meeting) {
    const { relay, facts, hub } = await setUp(t, meeting);
    const result = await relay.attempt(toLeg([`a@${DOMAIN}`]), SOURCE, WAIT_MS);
    const sessions = facts.filter((fact): fact is TlsSessionFact => fact.kind === "tls-session");
    const failures = sessions.map(({ failure }) => failure?.type ?? null);
    const hop = "hop" in result ? result.hop : undefined;
    return { hub, result, failures, hop, kind: result.kind };
  }
  const shows = (identity: MadeCertificate): HubOptions => ({ tls: true, identity });
  /** Who sits between us and the server takes STARTTLS out, or answers it with no. */
  const stripped: HubOptions = {};
  const refused: HubOptions = {
    tls: true,
    script: ({ step }) => (step === "starttls" ? "454 4.7.0 not now" : undefined),
  };
  const broken: HubOptions = {
    tls: true,
    script: ({ step }) => (step === "starttls" ? { drop: true, reply: "220 go" } : undefined),
  };

  it("arrives when the certificate is the one that DNSSEC describes, and says so", async (t) => {
    const { hub, kind, failures, hop } = await meet(t, {
      hub: shows(made.other),
      described: made.other,
    });
    assert.equal(kind, "answered");
    assert.equal(hub.messages[0]?.tls, true);
    assert.deepEqual(failures, [null]);
    assert.equal(hop?.tlsPolicy, "DANE, 1 TLSA record");
    assert.equal(hop.tls?.verified, "dane");
    assert.match(hop.tls.match ?? "", /^3 1 1 [0-9a-f]{64}$/);
  });

  it("asks for the certificate of the name that the records are of", async (t) => {
    const hub = shows(made.other);
    const plain = await meet(t, { hub, described: made.other });
    const aliased = await meet(t, { hub, described: made.other, end: "mail.example.net" });
    assert.deepEqual([plain.kind, aliased.kind], ["answered", "answered"]);
    assert.deepEqual(plain.hub.askedFor, [HOST]);
    assert.deepEqual(aliased.hub.askedFor, ["mail.example.net"]);
    assert.equal(aliased.hop?.tlsPolicy, "DANE, 1 TLSA record of mail.example.net");
  });

  it("does not go to another certificate than DANE's, be it valid for the name", async (t) => {
    const { hub, result, failures } = await meet(t, {
      hub: shows(made.right),
      described: made.other,
    });
    assert.equal(result.kind, "unsent");
    assert.match("reason" in result ? result.reason : "", /none of the TLSA records/);
    assert.deepEqual(failures, ["validation-failure"]);
    assert.ok(!hub.lines.some((line) => /^(MAIL|RCPT|DATA)/.test(line)));
  });

  it("arrives under MTA-STS enforce with a valid certificate for the host", async (t) => {
    const { hub, kind, failures, hop } = await meet(t, { hub: shows(made.right), sts: STS });
    assert.equal(kind, "answered");
    assert.equal(hub.messages.length, 1);
    assert.deepEqual(failures, [null]);
    assert.equal(hop?.tlsPolicy, `MTA-STS enforce, ${HOST} is allowed`);
    assert.equal(hop.tls?.match, HOST);
  });

  it("does not go under MTA-STS enforce to a wrong name or an unknown authority", async (t) => {
    const wrong = await meet(t, { hub: shows(made.other), sts: STS });
    assert.deepEqual([wrong.kind, wrong.failures], ["unsent", ["certificate-host-mismatch"]]);
    const unknown = await meet(t, { hub: shows(await makeCertificate(HOST)), sts: STS });
    assert.deepEqual([unknown.kind, unknown.failures], ["unsent", ["certificate-not-trusted"]]);
    const dates = { from: new Date(Date.now() - 2e8), to: new Date(Date.now() - 1e8) };
    const old = await makeCertificate(HOST, { by: made.authority, ...dates });
    const expired = await meet(t, { hub: shows(old), sts: STS });
    assert.deepEqual([expired.kind, expired.failures], ["unsent", ["certificate-expired"]]);
    for (const { hub } of [wrong, unknown, expired]) assert.equal(hub.messages.length, 0);
  });

  it("does not go to a host that MTA-STS does not allow, which is not even called", async (t) => {
    const sts = { ...STS, mx: ["mx2.example.org"] };
    const { hub, result } = await meet(t, { hub: shows(made.right), sts });
    assert.match("reason" in result ? result.reason : "", /does not allow the host/);
    assert.equal(hub.connections, 0);
  });

  it("goes to the next server when the first one is not allowed", async (t) => {
    const before = "mx.elsewhere.example";
    const { hub, kind, failures, hop } = await meet(t, {
      hub: shows(made.right),
      sts: STS,
      before,
    });
    assert.equal(kind, "answered");
    assert.equal(hub.connections, 1);
    assert.deepEqual(failures, ["validation-failure", null]);
    assert.equal(hop?.tls?.match, HOST);
  });

  it("never goes in the clear when somebody takes STARTTLS away", async (t) => {
    for (const [hub, type] of [
      [stripped, "starttls-not-supported"],
      [refused, "starttls-not-supported"],
      [broken, "validation-failure"],
    ] as const)
      for (const policy of [{ described: made.right }, { sts: STS }]) {
        const met = await meet(t, { hub, ...policy });
        assert.deepEqual([met.kind, met.failures], ["unsent", [type]]);
        assert.ok(!met.hub.lines.some((line) => /^(MAIL|RCPT|DATA)/.test(line)));
      }
  });

  it("goes in mode testing whatever the certificate, and the fault is told", async (t) => {
    const sts = { ...STS, mode: "testing" } as const;
    const wrong = await meet(t, { hub: shows(made.other), sts });
    assert.deepEqual([wrong.kind, wrong.failures], ["answered", ["certificate-host-mismatch"]]);
    const right = await meet(t, { hub: shows(made.right), sts });
    assert.deepEqual([right.kind, right.failures], ["answered", [null]]);
    const none = await meet(t, { hub: stripped, sts });
    assert.deepEqual([none.kind, none.failures], ["answered", ["starttls-not-supported"]]);
    const failing = await meet(t, { hub: broken, sts });
    assert.deepEqual([failing.kind, failing.failures], ["answered", ["validation-failure"]]);
    for (const { hub } of [wrong, right, none, failing]) assert.equal(hub.messages.length, 1);
  });

  it("goes all the same from the spool when it is a report about broken TLS", async (t) => {
    const change = { ignoresTlsPolicies: true };
    for (const policy of [{ described: made.other }, { sts: STS }]) {
      const { relay, spool, facts, hub, until } = await setUp(t, { hub: stripped, ...policy });
      const item = toSpoolItem(createSystemClock(), [`a@${DOMAIN}`], change);
      await spool.add(item, SOURCE);
      relay.start();
      await until(() => spool.list().length === 0);
      assert.equal(hub.messages.length, 1);
      assert.ok(!facts.some(({ kind }) => kind === "tls-session"));
      const told = facts.find((fact) => fact.kind === "delivered");
      assert.equal(
        told && "tlsPolicy" in told && told.tlsPolicy,
        "a TLS report: no policy is asked",
      );
    }
  });

  it("stays in the queue until its time when such a report went where it may not", async (t) => {
    const { relay, spool, hub, until } = await setUp(t, { hub: stripped, sts: STS });
    const clock = createSystemClock();
    await spool.add(toSpoolItem(clock, [`waits@${DOMAIN}`]), SOURCE);
    relay.start();
    await until(() => (spool.list()[0]?.dueAt ?? 0) > clock.now());
    const [{ dueAt } = { dueAt: 0 }] = spool.list();
    await spool.add(toSpoolItem(clock, [`a@${DOMAIN}`], { ignoresTlsPolicies: true }), SOURCE);
    relay.wake();
    await until(() => hub.messages.length === 1 && spool.list().length === 1);
    await relay.stop(WAIT_MS);
    assert.equal(spool.list()[0]?.dueAt, dueAt);
  });
});
