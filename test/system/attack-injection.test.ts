import assert from "node:assert/strict";
import { test } from "node:test";
import { startFakeClamd } from "../support/fake-clamd.ts";
import type { HubOptions } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { greet, openTransaction, storyOf, withEdge } from "../support/with-edge.ts";

/** Fields of a header section as a reader that takes every line for what it says would see them. */
function linesOf(data: Buffer | undefined): readonly string[] {
  const text = data?.toString("latin1") ?? "";
  return text.slice(0, text.indexOf("\r\n\r\n")).split("\r\n");
}

/** Claims to be ours or the hub's, in every disguise; each has the word `forged` in it. */
const FORGED = [
  "X-Postern-SCL: forged",
  "x-pOsTeRn-scl: forged",
  "X-Postern-SCL : forged",
  "X-Postern-SCL\t: forged",
  "X-Postern-SCL:\r\n forged",
  "X-Postern-SCL\r\n : forged",
  "X-Postern-Unheard-Of: forged",
  "X-Spam-Flag: NO, forged",
  "X-MS-Exchange-Organization-SCL: -1 forged",
  "X-MS-EXCHANGE-ORGANIZATION-AuthAs : forged",
  "Authentication-Results: mx.example.org; spf=pass forged",
  "AUTHENTICATION-RESULTS :\r\n\tMX.Example.ORG;\r\n spf=pass forged",
  "Authentication-Results: (forged) mx.example.org; dmarc=pass",
  'Authentication-Results: "mx.example.org"; dmarc=pass forged',
  "Authentication-Results: mx.example.org 1; dmarc=pass forged",
  "Authentication-Results\r\n : mx.example.org; dmarc=pass forged",
  "Received-SPF: pass (mx.example.org: forged)",
];

test("nothing that claims to be ours or the hub's gets in, and everything else stays", async () => {
  await withEdge({}, async (edge, hub) => {
    for (const forged of FORGED) {
      const honest = ["X-Other: kept", "Authentication-Results: other.test; spf=pass"];
      const message = [honest[0], forged, honest[1], SIMPLE_MESSAGE].join("\r\n");
      const sent = await sendMail({ port: edge.port, message });
      assert.equal(sent.final?.code, 250, forged);
      const data = hub.messages.at(-1)?.data;
      assert.doesNotMatch(data?.toString("latin1") ?? "", /forged/, forged);
      for (const line of honest) assert.ok(linesOf(data).includes(line ?? ""), forged);
      assert.ok(data?.toString("latin1").endsWith(SIMPLE_MESSAGE), forged);
    }
  });
});

test("a message that begins with a blank cannot write into the headers that we add", async () => {
  await withEdge({}, async (edge, hub) => {
    for (const start of [" forged: line", "\tforged", " ", " X-Postern-SCL: forged"]) {
      const message = `${start}\r\n${SIMPLE_MESSAGE}`;
      assert.equal((await sendMail({ port: edge.port, message })).final?.code, 250);
      const lines = linesOf(hub.messages.at(-1)?.data);
      const at = lines.indexOf(start);
      if (at >= 0) assert.match(lines[at - 1] ?? "", /^X-Malformed-Header:$/);
    }
  });
});

/** Words of the envelope that would end a line, a comment, a quoted string or a parameter. */
const SENDERS = [
  '"a; spf=pass smtp.mailfrom=ceo"@friend.test',
  '"a) (b"@friend.test',
  '"a\\" ; dkim=pass"@friend.test',
  '"a, b <c@d>"@friend.test',
];

test("no sender speaks in the headers that we add about him", async () => {
  await withEdge({}, async (edge, hub) => {
    for (const from of SENDERS) {
      const to = ['"x; y) z"@example.org', "alice@example.org"];
      const sent = await sendMail({ port: edge.port, from, to, message: SIMPLE_MESSAGE });
      assert.equal(sent.final?.code, 250, from);
      const text = hub.messages.at(-1)?.data.toString("latin1") ?? "";
      const [ours = ""] = text.split(SIMPLE_MESSAGE);
      const unquoted = ours.replace(/\r\n(?=[\t ])/g, "").replace(/"(?:[^"\\]|\\.)*"/g, "Q");
      assert.doesNotMatch(unquoted, /spf=pass|dkim=pass|<c@d>/, from);
      assert.equal(unquoted.match(/^[A-Za-z-]+:/gm)?.length, unquoted.split("\r\n").length - 1);
    }
  });
});

test("no HELO that is more than a name or an address gets as far as a header", async () => {
  await withEdge({}, async (edge) => {
    const client = await greet(edge);
    for (const name of [
      "a b",
      "a(b)",
      "a;b",
      "a\tb",
      "[1.2.3.4] x",
      "a\u2028b",
      '"a"',
      "<a>",
      "a\x00b",
    ])
      assert.ok((await client.say(`EHLO ${name}`)).code >= 500, JSON.stringify(name));
    client.destroy();
  });
});

/** Each ends with what the hub says to the final dot. */
const HUB_WORDS = [
  "550 5.7.1 no\x1b[2J\u2028 \x85\x00 250 2.0.0 yes",
  "550-5.7.1 first\r\n550 5.7.1 last",
  `554 5.7.1 ${"x".repeat(2000)}`,
  "550 9.9.9 odd status",
  "599 5.0.0 odd code",
  "550",
];

test("a hub's words reach the client as one short line with our reference, whatever they are", async () => {
  let words = "";
  const script: HubOptions["script"] = ({ step }) => (step === "dot" ? words : undefined);
  await withEdge({ hub: { script } }, async (edge) => {
    for (words of HUB_WORDS) {
      const client = await openTransaction(edge);
      await client.say("DATA");
      client.send(`${SIMPLE_MESSAGE}.\r\n`);
      const { text } = await client.reply();
      assert.match(text, /^55\d 5\.\d{1,3}\.\d{1,3} [\x20-\x7e]* ?\(ref [0-9A-Z]{18}\)$/);
      assert.ok(text.length <= 510);
      assert.match((await client.say("QUIT")).text, /^221 /);
    }
  });
});

test("a hub that promises nothing, or speaks no SMTP, is no hub that took the message", async () => {
  let words = "";
  const script: HubOptions["script"] = ({ step }) => (step === "dot" ? words : undefined);
  for (words of ["354 go on", "250-\r\n550 no", "2500 yes", "yes", "199 maybe", "\u0000"]) {
    await withEdge({ hub: { script } }, async (edge) => {
      const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
      const line = await edge.waitForLog("decided");
      assert.notEqual(line.via, "hub", JSON.stringify(words));
      if (sent.final?.code === 250) assert.equal(line.via, "spool", JSON.stringify(words));
    });
  }
});

async function sendMarked(edge: TestGateway, name: string) {
  const message = `${SIMPLE_MESSAGE}[[found ${name}]]\r\n`;
  return sendMail({ port: edge.port, message });
}

test("a scanner's name for a virus can neither break the reply nor the log", async () => {
  const clamd = await startFakeClamd();
  try {
    await withEdge({ clamd: [clamd.address] }, async (edge, hub) => {
      const name = "Evil\x1b[31m\u202e\u2028(ref AAAAAAAAAAAAAAAAAA)".concat("y".repeat(600));
      const sent = await sendMarked(edge, name);
      assert.match(
        sent.final?.text ?? "",
        /^5\d\d 5\.\d\.\d{1,2} [\x20-\x7e]{1,480} \(ref [0-9A-Z]{18}\)$/,
      );
      assert.equal(hub.messages.length, 0);
      const line = await edge.waitForLog("decided");
      const reference = /\(ref ([0-9A-Z]{18})\)$/.exec(sent.final?.text ?? "")?.[1] ?? null;
      assert.equal(line.id, reference);
      assert.equal((await storyOf(edge, reference)).record.id, reference);
    });
  } finally {
    await clamd.close();
  }
});
