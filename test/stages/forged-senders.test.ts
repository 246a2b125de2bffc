import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { authenticationResults } from "../../src/gateway/auth-headers.ts";
import { foldHeader } from "../../src/mail/fold-header.ts";
import { decide } from "../../src/pipeline/decision.ts";
import { forgedSenders } from "../support/forged-senders.ts";
import { judgeSender } from "../support/judge-stages.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

const { mails, zone, honest, lookalike } = forgedSenders();
const RULE = {
  mode: "enforce",
  scoring: { scores: new Map(), thresholds: { quarantine: 7, reject: null }, scl: [1, 2, 3] },
  exempt: false,
} as const;

async function judge(mail: (typeof mails)[number]) {
  const reports = await judgeSender({ ...mail, resolver: toZoneResolver(zone) });
  const results = authenticationResults("gw.example.net", reports);
  return { decision: decide(reports, RULE), results };
}

test("there are more than forty forgeries, and honest mail of the same domain passes", async () => {
  assert.ok(mails.length >= 70, String(mails.length));
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
      for (const result of results.split("; ")) {
        if (!/^(?:spf|dkim|dmarc)=pass/.test(result)) continue;
        assert.doesNotMatch(result, /(?:d|from|mailfrom|helo)=(?:[^ ]*\.)?victim\.test(?: |$)/i);
      }
      foldHeader("Authentication-Results", results);
    });
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
