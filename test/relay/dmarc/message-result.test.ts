import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DmarcCheck } from "../../../src/auth/dmarc/check-dmarc.ts";
import type { Json } from "../../../src/base/json.ts";
import type { TransactionRecord } from "../../../src/pipeline/facts.ts";
import type { StageReport } from "../../../src/pipeline/report.ts";
import { toDmarcResult } from "../../../src/relay/dmarc/message-result.ts";
import { testRecord, testReport } from "../../support/test-records.ts";

const RUA = "rua=mailto:rua@example.com";
const CHECK: DmarcCheck = {
  result: "fail",
  reason: null,
  domain: "sub.example.com",
  organization: "example.com",
  policy: {
    domain: "example.com",
    source: "organization",
    tag: "sp",
    published: "reject",
    effective: "reject",
    testing: false,
  },
  identities: [
    { method: "spf", domain: "example.com", result: "other", aligned: false },
    { method: "dkim", domain: "list.example", result: "pass", aligned: false },
  ],
  answers: [
    { name: "_dmarc.sub.example.com", kind: "none", records: [], reason: "nxdomain" },
    {
      name: "_dmarc.example.com",
      kind: "found",
      records: [`v=DMARC1; p=none; sp=reject; adkim=s; fo=1; ${RUA}`],
      reason: null,
    },
  ],
  exists: null,
};
const REJECT = { kind: "reject", cause: "dmarc-reject", findings: [] } as const;
const SPF = { domain: "example.com", result: "fail", problem: null };
const signature = (domain: string, result: string, selector = "s") => ({
  domain,
  selector,
  result,
  reason: result === "pass" ? null : "x".repeat(500),
});

interface Made {
  readonly check?: Partial<DmarcCheck>;
  readonly dmarc?: Partial<StageReport>;
  readonly signatures?: readonly Json[];
  readonly more?: readonly StageReport[];
  readonly record?: Partial<TransactionRecord>;
}

function resultOf({ check, dmarc, signatures = [], more = [], record }: Made = {}) {
  const reports = [
    testReport("spf", { evidence: SPF }),
    testReport("dkim", { phase: "data", evidence: { signatures } }),
    ...more,
    testReport("dmarc", {
      phase: "data",
      evidence: { ...CHECK, ...check } as unknown as Json,
      verdict: REJECT,
      ...dmarc,
    }),
  ];
  return toDmarcResult(testRecord(1, { action: "reject", reports, ...record }), ["Own@us.example"]);
}

describe("what one message adds to a DMARC report", () => {
  it("is the policy as published, with defaults, and what came of the message", () => {
    assert.deepEqual(resultOf(), {
      kind: "dmarc-result",
      at: Date.UTC(2026, 0, 1) + 1000,
      domain: "example.com",
      policy: {
        p: "none",
        sp: "reject",
        np: "reject",
        adkim: "s",
        aspf: "r",
        testing: false,
        fo: "1",
      },
      result: {
        sourceIp: "192.0.2.1",
        disposition: "reject",
        reasons: [],
        dkim: "fail",
        spf: "fail",
        headerFrom: "sub.example.com",
        envelopeFrom: "example.com",
        signatures: [],
        spfResult: { domain: "example.com", result: "fail", human: null },
      },
    });
  });

  it("lists signatures by their worth, with words that are cut", () => {
    const identities = [
      { method: "dkim", domain: "example.com", result: "pass", aligned: true },
    ] as const;
    const signatures = [
      signature("list.example", "fail"),
      signature("list.example", "pass"),
      signature("example.com", "pass"),
      signature("sub.example.com", "pass"),
      signature("nobody.example", "permerror", ""),
    ];
    const { result } = resultOf({ check: { result: "pass", identities }, signatures }) ?? {};
    assert.deepEqual(
      result?.signatures.map(({ domain, result }) => `${domain} ${result}`),
      ["sub.example.com pass", "example.com pass", "list.example pass", "list.example fail"],
    );
    assert.equal(result?.signatures[3]?.human?.length, 200);
    assert.deepEqual([result?.dkim, result?.spf, result?.disposition], ["pass", "fail", "pass"]);
  });

  it("stays small, however long the names in signatures are", () => {
    const long = `${"a".repeat(60)}.`.repeat(4);
    const signatures = Array.from({ length: 10 }, (_, i) =>
      signature(`${long}${i}.example`, "fail", "s".repeat(200)),
    );
    const { result } = resultOf({ signatures }) ?? {};
    assert.equal(result?.signatures.length, 2);
    assert.ok(JSON.stringify(result).length < 3000);
  });

  it("gives the reason when less was done than the owner wants", () => {
    const told = (made: Made) => {
      const { disposition, reasons = [] } = resultOf(made)?.result ?? {};
      return [
        disposition,
        ...reasons.map(({ type, comment }) => `${type} ${comment ?? ""}`.trim()),
      ];
    };
    const policy = { ...CHECK.policy!, effective: "quarantine" as const, testing: true };
    const held = { ...REJECT, kind: "quarantine", cause: "dmarc-quarantine" } as const;
    const relayed = { action: "relay" } as const;
    assert.deepEqual(
      told({ check: { policy }, dmarc: { verdict: held }, record: { action: "quarantine" } }),
      ["quarantine", "policy_test_mode"],
    );
    assert.deepEqual(told({ dmarc: { mode: "observe" } }), ["none", "local_policy"]);
    assert.deepEqual(told({ record: relayed }), ["none", "local_policy"]);
    assert.deepEqual(told({ dmarc: { verdict: held } }), ["quarantine", "local_policy"]);
    const neutral = { kind: "neutral", findings: [] } as const;
    assert.deepEqual(
      told({ check: { result: "temperror" }, dmarc: { verdict: neutral }, record: relayed }),
      ["none", "local_policy DNS did not tell in time"],
    );
  });

  it("tells of seals that were trusted, as RFC 8617 7.2.2 has it", () => {
    const sets = [1, 2].map((instance) => ({
      instance,
      domain: `d${instance}.example`,
      selector: `s${instance}`,
      dmarc: null,
    }));
    const finding = { symbol: "DMARC_ARC_TRUSTED", score: 0 };
    const { result } =
      resultOf({
        more: [testReport("arc", { phase: "data", evidence: { sets } })],
        dmarc: { verdict: { kind: "neutral", findings: [finding] } },
        record: { action: "relay" },
      }) ?? {};
    assert.deepEqual(result?.reasons, [
      {
        type: "local_policy",
        comment:
          "arc=pass as[2].d=d2.example as[2].s=s2 as[1].d=d1.example as[1].s=s1 remote-ip[1]=192.0.2.1",
      },
    ]);
  });

  it("is nothing where there is nobody to tell, or nothing came in", () => {
    const silent = [{ ...CHECK.answers[1]!, records: ["v=DMARC1; p=reject"] }];
    for (const made of [
      { check: { answers: silent } },
      { check: { answers: [] } },
      { check: { policy: null } },
      { check: { domain: null } },
      { dmarc: { outcome: "timeout" } },
      { record: { action: "defer" } },
      { record: { action: "dropped" } },
      { record: { relay: { by: "network", network: "10.0.0.0/8" } } },
      { record: { client: { ip: "nowhere", port: 1 } } },
    ] satisfies readonly Made[])
      assert.equal(resultOf(made), null, JSON.stringify(made));
  });

  it("is nothing for reports about reports, and a forger gains nothing by their subject", () => {
    const subject = "Report Domain: us.example Submitter: example.com Report-ID: <1@example.com>";
    const message = { ...testRecord(1).message!, subject };
    assert.equal(resultOf({ check: { result: "pass" }, record: { message } }), null);
    assert.notEqual(resultOf({ record: { message } }), null);
    const recipient = { action: "relay", cause: null, reply: "" } as const;
    const recipients = [{ ...recipient, address: "own@US.example" }];
    assert.equal(resultOf({ record: { recipients } }), null);
  });

  it("names the null sender, an IPv4 client as such, and whom a trusted relay had the mail from", () => {
    const client = { ip: "::ffff:192.0.2.9", port: 1 };
    const { result } = resultOf({ record: { sender: "", client } }) ?? {};
    assert.deepEqual([result?.envelopeFrom, result?.sourceIp], ["", "192.0.2.9"]);
    const origin = { ip: "198.51.100.3", helo: null };
    assert.equal(resultOf({ record: { client, origin } })?.result.sourceIp, "198.51.100.3");
    assert.equal(resultOf({ record: { client, origin: null } })?.result.sourceIp, "192.0.2.9");
  });
});
