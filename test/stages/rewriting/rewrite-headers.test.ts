import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import fc from "fast-check";
import type { Message } from "../../../src/mail/message.ts";
import { createMessageStore } from "../../../src/mail/message-store.ts";
import { applyHeaderEdits } from "../../../src/mail/rewrite-headers.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { rewriteHeadersStage } from "../../../src/stages/rewriting/rewrite-headers.ts";
import { rewritingOf } from "../../policy/rewriting-policy.ts";
import { RELAYED, rcptFacts } from "../../support/rcpt-facts.ts";

const ADDRESSES = [
  { internal: "corp.example.org", external: "example.org" },
  { internal: "j.doe@corp.example.org", external: "john@example.org" },
];
const stage = rewriteHeadersStage.bind(rewritingOf({ addresses: ADDRESSES }), { mode: "enforce" });

async function toMessage(text: string): Promise<Message> {
  const draft = createMessageStore({ tempDir: tmpdir() }).draft();
  await draft.write(Buffer.from(text, "latin1"));
  return draft.finish();
}

async function rewrite(text: string, direction: "outbound" | "inbound", by = stage) {
  const { recipient: _, ...mail } = rcptFacts(null, "x@example.org");
  const facts = { ...mail, ...(direction === "outbound" && RELAYED), recipients: [] };
  const message = await toMessage(text);
  const { signal } = new AbortController();
  const view = { ...facts, message, dns: createLookupScope(signal) };
  const evidence = JSON.parse(JSON.stringify(await by.observe!(view, {} as never, signal)));
  const verdict = by.judge(evidence, facts);
  const replace = (verdict.edits ?? []).filter((edit) => edit.kind === "replace-in-header");
  const chunks: Buffer[] = [];
  for await (const chunk of applyHeaderEdits(message, { replace }).read()) chunks.push(chunk);
  return { text: Buffer.concat(chunks).toString("latin1"), verdict };
}

test("outbound: what others see of the sender, and no other field", async () => {
  const own = "ann@corp.example.org";
  const names = [
    "From",
    "SENDER",
    "Reply-To",
    "return-receipt-to",
    "Disposition-Notification-To",
    "Resent-From",
    "Resent-Sender",
  ];
  const others = ["Return-Path", "Received", "Message-ID", "To", "Cc", "Bcc", "X-From", "Subject"];
  const header = (all: readonly string[], address: string) =>
    all.map((name) => `${name}: <${address}>\r\n`).join("");
  const { text, verdict } = await rewrite(
    `${header(names, own)}${header(others, own)}\r\nFrom: ${own}\r\n`,
    "outbound",
  );
  assert.equal(
    text,
    `${header(names, "ann@example.org")}${header(others, own)}\r\nFrom: ${own}\r\n`,
  );
  assert.equal(verdict.findings.length, names.length);
  assert.equal(
    verdict.findings[0]?.detail,
    "From: ann@corp.example.org → ann@example.org, by corp.example.org → example.org",
  );
});

test("inbound: To and Cc, and no other field", async () => {
  const { text } = await rewrite(
    "From: a@example.org\r\nTo: John <john@example.org>,\r\n b@example.org\r\nCC : c@example.org\r\n" +
      "Reply-To: d@example.org\r\nMessage-ID: <e@example.org>\r\n\r\n",
    "inbound",
  );
  assert.equal(
    text,
    "From: a@example.org\r\nTo: John <j.doe@corp.example.org>,\r\n b@corp.example.org\r\n" +
      "CC : c@corp.example.org\r\nReply-To: d@example.org\r\nMessage-ID: <e@example.org>\r\n\r\n",
  );
});

test("names, comments, groups, folds and encoded words stay octet for octet", async () => {
  const odd = (one: string, two: string) =>
    `To: "john@example.org, J." (john@example.org) <${one}>,\r\n\t=?utf-8?Q?J=C3=B6rg?= (a\r\n b) ` +
    `<${two}>,,\r\n friends: ${one} , J\xfcrgen\t<other@friend.test>;\r\n\r\n`;
  const { text } = await rewrite(odd("john@example.org", "B.b@Example.ORG"), "inbound");
  assert.equal(text, odd("j.doe@corp.example.org", "B.b@corp.example.org"));
});

test("a comment between the halves of an address stays where it is", async () => {
  const { text } = await rewrite("To: john (at) @ (dot) example.org (x)\r\n\r\n", "inbound");
  assert.equal(text, "To: j.doe (at) @ (dot) corp.example.org (x)\r\n\r\n");
});

test("a quoted local part is the mailbox that it names", async () => {
  const { text } = await rewrite('To: "john"@example.org, "a b"@example.org\r\n\r\n', "inbound");
  assert.equal(text, 'To: j.doe@corp.example.org, "a b"@corp.example.org\r\n\r\n');
});

test("a field that holds no address list is left as it is, and it is told", async () => {
  const mail = "To: john@example.org bob@example.org\r\nCc: ann@example.org\r\n\r\n";
  const { text, verdict } = await rewrite(mail, "inbound");
  assert.equal(text, mail.replace("ann@", "ann@corp."));
  assert.deepEqual(verdict.findings[0], {
    symbol: "HEADER_NOT_REWRITTEN",
    score: 0,
    detail: "To holds no address list",
  });
});

test("no line becomes longer than 998 octets", async () => {
  const list = Array.from({ length: 56 }, (_, i) => `a${i}@example.org`).join(", ");
  const { text, verdict } = await rewrite(`To: ${list},\r\n b@example.org\r\n\r\n`, "inbound");
  const [line = "", next = ""] = text.split("\r\n");
  assert.ok(line.length <= 998 && line.length > 990, String(line.length));
  assert.equal(next, " b@corp.example.org");
  assert.ok(
    verdict.findings.some(({ detail }) => detail?.endsWith("would make the line too long")),
  );
});

test("of more addresses than are kept the first are rewritten, and it is told", async () => {
  const list = Array.from({ length: 1500 }, (_, i) => `a${i}@example.org`).join(",\r\n ");
  const { text, verdict } = await rewrite(`To: ${list}\r\n\r\n`, "inbound");
  assert.equal(text.match(/@corp\./g)?.length, 1000);
  assert.equal(verdict.findings[0]?.detail, "500 addresses are too many");
  assert.ok(verdict.findings.length <= 50);
});

test("mail without our addresses is not changed", async () => {
  const mail = "From: a@friend.test\r\nTo: undisclosed-recipients:;\r\nCc:\r\n\r\nbody";
  const { text, verdict } = await rewrite(mail, "inbound");
  assert.equal(text, mail);
  assert.deepEqual(verdict, { kind: "neutral", findings: [], edits: [] });
});

test("out and in again is the identity, and nothing outside addresses changes", async () => {
  const local = fc.constantFrom("ann", "j.doe", '"a b"', "x+y", "B");
  const around = fc.constantFrom<(address: string) => string>(
    (address) => address,
    (address) => `<${address}>`,
    (address) => `"${address.replaceAll('"', "")}" <${address}>`,
    (address) => `(${address}) =?utf-8?q?a?=\r\n <${address}> (\xfc)`,
    (address) => `group: ${address}, <other@friend.test>;`,
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(local, around), { minLength: 1, maxLength: 6 }),
      async (all) => {
        const list = (domain: string) =>
          all.map(([name, wrap]) => wrap(`${name}@${domain}`)).join(",\r\n ");
        const inside = `From: ${list("corp.example.org")}\r\n\r\nbody`;
        const out = (await rewrite(inside, "outbound")).text;
        assert.ok(!/(?<![("])\bcorp\.example\.org/.test(out.replace(/\([^)]*\)|"[^"]*" </g, "")));
        const back = (await rewrite(out.replace(/^From/, "To"), "inbound")).text;
        assert.equal(back.replace(/^To/, "From"), inside);
      },
    ),
    { numRuns: 200 },
  );
});

test("an address keeps its tag, in the octets that it came in", async () => {
  const addresses = [{ internal: "j.doe@staff.example.org", external: "john@example.org" }];
  const tagged = rewriteHeadersStage.bind(rewritingOf({ addresses }), { mode: "enforce" });
  const octets = (text: string) => Buffer.from(text).toString("latin1");
  const came = octets("From: J <J.Doe+Bücher@staff.example.org>\r\n\r\n");
  const { text } = await rewrite(came, "outbound", tagged);
  assert.equal(text, octets("From: J <john+Bücher@example.org>\r\n\r\n"));
  const folded = (address: string) => `From: <"${address}example.org>\r\n\r\n`;
  const kept = await rewrite(folded('j.doe+a\r\n b"@staff.'), "outbound", tagged);
  assert.equal(kept.text, folded('john+a\r\n b"@'));
  const strange = "From: <j.doe+\xff@staff.example.org>\r\n\r\n";
  const left = await rewrite(strange, "outbound", tagged);
  assert.equal(left.text, strange);
  assert.equal(left.verdict.findings[0]?.symbol, "HEADER_NOT_REWRITTEN");
});
