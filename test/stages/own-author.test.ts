import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import type { DataFacts, Views } from "../../src/pipeline/stage.ts";
import type { AuthorMode, OwnAuthors } from "../../src/policy/own-authors.ts";
import type { RelayPermission } from "../../src/smtp/relay-permission.ts";
import { ownAuthorStage } from "../../src/stages/own-author.ts";

const ALICE: RelayPermission = { by: "password", user: "alice" };
const OWN = "From: <alice@example.org>";
const CEO = "From: The Boss <ceo@example.org>";

async function judge(
  head: string,
  mode: AuthorMode = "refuse",
  relay = ALICE as typeof ALICE | null,
) {
  const options: OwnAuthors = {
    modeFor: () => mode,
    mayWriteAs: (_relay, _ip, { localPart, domain }) =>
      domain === "example.org" && (localPart === "alice" || localPart === "sales"),
  };
  const stage = ownAuthorStage.bind(options, { mode: "enforce" });
  const headers = parseHeaderBlock(Buffer.from(`${head}\r\n\r\n`));
  const facts = { relay, client: { ip: "10.0.0.1" } };
  const view = { ...facts, message: { headers } } as unknown as Views["data"];
  const evidence = await stage.observe!(view, {}, new AbortController().signal);
  const stored = JSON.parse(JSON.stringify(evidence));
  return { evidence, verdict: stage.judge(stored, facts as unknown as DataFacts) };
}

test("who writes as himself is not noticed, as several of his own neither", async () => {
  for (const head of [OWN, "From: alice@example.org, Sales <sales@EXAMPLE.org>"])
    assert.deepEqual((await judge(head)).verdict, { kind: "neutral", findings: [] });
});

test("who writes as another is refused, and the reply names the address", async () => {
  const { verdict } = await judge(CEO);
  assert.ok(verdict.kind === "reject");
  assert.equal(verdict.cause, "author-not-own");
  assert.deepEqual(verdict.about, { address: "ceo@example.org" });
  const detail = "alice may not write as ceo@example.org";
  assert.deepEqual(verdict.findings, [{ symbol: "AUTHOR_NOT_OWN", score: 0, detail }]);
});

test("one author among several who is not his is enough", async () => {
  const { verdict } = await judge("From: alice@example.org, ceo@example.org");
  assert.equal(verdict.kind, "reject");
});

test("a From that nobody can read for sure is not his", async () => {
  for (const head of [
    "Subject: none",
    `${OWN}\r\n${OWN}`,
    `${OWN}\r\nFrom : <ceo@example.org>`,
    "From: us: alice@example.org;",
    "From: alice@example.org,",
    "From: =?utf-8?q?ceo?=@example.org, alice@example.org",
    "From: <@ceo.test:alice@example.org>",
    `From: ${Array.from({ length: 21 }, () => "alice@example.org").join(", ")}`,
  ]) {
    const { verdict } = await judge(head);
    assert.ok(verdict.kind === "reject" && verdict.cause === "author-not-own", head);
    assert.match(verdict.findings[0]?.detail ?? "", /^nobody can say who is in From \(/);
    assert.deepEqual(verdict.about, {});
  }
});

test("mark lets it go, and unsigned takes our signature away", async () => {
  const marked = (await judge(CEO, "mark")).verdict;
  assert.equal(marked.kind, "neutral");
  assert.equal(marked.findings[0]?.symbol, "AUTHOR_NOT_OWN");
  assert.equal(marked.edits, undefined);
  const { kind, findings, edits } = (await judge(CEO, "unsigned")).verdict;
  assert.equal(kind, "neutral");
  assert.equal(findings[0]?.symbol, "AUTHOR_NOT_OWN");
  const reason = "alice may not write as ceo@example.org";
  assert.deepEqual(edits, [{ kind: "leave-unsigned", reason }]);
});

test("with the mode off, and of strangers, nothing is asked", async () => {
  const nothing = { kind: "neutral", findings: [] };
  assert.deepEqual((await judge(CEO, "off")).verdict, nothing);
  assert.deepEqual((await judge(CEO, "refuse", null)).verdict, nothing);
});

test("a client without a name is told by its address or its certificate", async () => {
  const network = { by: "network", network: "10.0.0.0/8" } as const;
  const told = (await judge(CEO, "mark", network)).verdict.findings[0]?.detail;
  assert.equal(told, "10.0.0.1 may not write as ceo@example.org");
  const shown = { subject: "CN=printer", fingerprint256: "AB", via: "ca" } as const;
  const printer = await judge(CEO, "mark", { by: "certificate", ...shown });
  assert.match(printer.verdict.findings[0]?.detail ?? "", /^CN=printer may not/);
});

test("what is kept as evidence is small, whatever From holds", async () => {
  const { evidence } = await judge(`From: ${"x".repeat(9000)} <ceo@example.org>\r\n`.repeat(20));
  assert.ok(JSON.stringify(evidence).length < 1500);
});
