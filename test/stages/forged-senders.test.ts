import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { authenticationResults } from "../../src/gateway/auth-headers.ts";
import { foldHeader } from "../../src/mail/fold-header.ts";
import { decide } from "../../src/pipeline/decision.ts";
import { forgedSenders } from "../support/forged-senders.ts";
import { judgeSender, reportOf } from "../support/judge-stages.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

const { mails, zone, honest, lookalike, disguised } = forgedSenders();
const RULE = {
  mode: "enforce",
  scoring: { scores: new Map(), thresholds: { quarantine: 7, reject: null }, scl: [1, 2, 3] },
  exempt: false,
} as const;

/** Each stage about senders, and an operator who lets the victim through: if it is the victim. */
const ALLOWED = {
  allow: [{ sender: { domainsAndSubdomains: ["victim.test"] }, reason: "our best customer" }],
};

async function judge(mail: (typeof mails)[number], access: object | null = null) {
  const whole =
    access === null
      ? {}
      : {
          all: true,
          options: { "sender-access": access, "from-access": access, spf: { helo: "always" } },
        };
  const reports = await judgeSender({ ...mail, ...whole, resolver: toZoneResolver(zone) });
  const results = authenticationResults("gw.example.net", reports);
  return { reports, decision: decide(reports, RULE), results };
}

/** What is in force for the victim must not pass, whichever method says it. */
function assertNoPass(results: string): void {
  for (const result of results.split("; ")) {
    if (!/^(?:spf|dkim|dmarc|arc|sender-id)=pass/.test(result)) continue;
    assert.doesNotMatch(
      result,
      /(?:d|from|sender|mailfrom|helo)="?(?:[^ ]*[.@])?victim\.test(?:"| |$)/i,
    );
  }
}

test("there are more than forty forgeries, and honest mail of the same domain passes", async () => {
  assert.ok(mails.length >= 85, String(mails.length));
  const { decision, results } = await judge(honest);
  assert.equal(decision.action, "relay", results);
  assert.match(
    results,
    /dkim=pass header\.d=victim\.test .*; dmarc=pass header\.from=victim\.test/,
  );
});

describe("mail that pretends to be of a domain with p=reject", () => {
  for (const mail of mails)
    test(`${mail.name}: refused or held, and no result passes for the victim`, async () => {
      const { decision, results } = await judge(mail);
      assert.ok(
        ["reject", "quarantine"].includes(decision.action),
        `${decision.action}: ${results}`,
      );
      assertNoPass(results);
      foldHeader("Authentication-Results", results);
    });
});

describe("the same mail where the operator allows the victim", () => {
  for (const mail of mails)
    test(`${mail.name}: nobody is trusted, and it is refused or held`, async () => {
      const { decision, results } = await judge(mail, ALLOWED);
      assert.ok(["reject", "quarantine"].includes(decision.action), decision.action);
      assert.notEqual(decision.scl, -1);
      const symbols = decision.findings.map(({ symbol }) => symbol);
      assert.ok(!symbols.includes("SENDER_ALLOWED"), symbols.join());
      assertNoPass(results);
    });

  test("and the victim's own mail is let through", async () => {
    const { decision } = await judge(honest, ALLOWED);
    assert.deepEqual([decision.action, decision.scl], ["relay", -1]);
  });
});

test("where the operator blocks the victim, whatever names it in From is refused", async () => {
  const access = {
    block: [{ sender: { domainsAndSubdomains: ["victim.test"] }, reason: "is forged too often" }],
  };
  for (const mail of [honest, ...mails]) {
    const [from = ""] = /^From:.*[\w"]@victim\.test\b/m.exec(mail.message) ?? [];
    if (from === "") continue;
    const { decision, reports } = await judge(mail, access);
    assert.equal(decision.action, "reject", mail.name);
    const { verdict } = reportOf(reports, "from-access");
    assert.ok(verdict.kind === "reject" && verdict.cause === "sender-denied", mail.name);
  }
});

for (const mail of disguised)
  test(`${mail.name}: passes for the attacker alone, and is marked`, async () => {
    for (const access of [null, ALLOWED]) {
      const { decision, results } = await judge(mail, access);
      assert.match(results, /; dmarc=pass header\.from=evil\.test/);
      assertNoPass(results);
      const symbols = decision.findings.map(({ symbol }) => symbol);
      assert.ok(symbols.includes("FROM_NAME_OTHER_ADDRESS"), symbols.join());
      assert.notEqual(decision.scl, -1);
    }
  });

test("a domain that looks like the victim's passes for itself, under its A-labels", async () => {
  const { results } = await judge(lookalike);
  assert.match(results, /dmarc=none header\.from=xn--[a-z0-9-]+\.test$/);
  assert.doesNotMatch(results, /victim/);
});

test("verdicts do not depend on how the message was cut", async () => {
  for (const mail of [honest, ...mails.slice(-30)]) {
    const [whole, ...cut] = await Promise.all(
      [65_536, 1, 7].map((chunkBytes) => judge({ ...mail, chunkBytes })),
    );
    for (const one of cut) assert.deepEqual(one, whole, mail.name);
  }
});

test("who spends all DNS queries of the message is held, and never passes", async () => {
  const lookup = async () => ({ kind: "exhausted", reason: "budget" }) as const;
  const reports = await judgeSender({ ...honest, resolver: { lookup } });
  const decision = decide(reports, RULE);
  assert.deepEqual([decision.action, decision.cause], ["quarantine", "dmarc-quarantine"]);
});
