import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { type RewritingEdge, startRewritingEdge } from "../support/rewriting-edge.ts";

const REWRITING = {
  addresses: [
    { internal: "corp.example.org", external: "example.org" },
    { internal: "f.ull@corp.example.org", external: "full@example.org" },
  ],
};
const DOMAINS = {
  "example.org": { verify: "off", ack: "spool" },
  "corp.example.org": { verify: "off" },
};
const SENDER = "bob@friend.test";
/** In To and Cc the hub gets other addresses than these. */
const HEADERS = [
  `From: <${SENDER}>`,
  "To: Full <full@example.org>,\r\n\t(all of us) ann@EXAMPLE.org",
  "Cc: <x@elsewhere.test>, eve@example.org",
  "cc: <dan@example.org>",
  "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
  "Message-ID: <1@friend.test>",
].join("\r\n");
const BODY = "\r\n\r\nf.ull@example.org\r\n";

let dns: FakeDns;
let edge: RewritingEdge;

before(async () => {
  dns = await startFakeDns({ "friend.test": { TXT: ["v=spf1 ip4:127.0.0.1 -all"] } });
  edge = await startRewritingEdge({
    dnsServer: dns.address,
    rewriting: REWRITING,
    inside: {
      script: ({ line }) =>
        line.includes("<f.ull@") ? "552 5.2.2 <F.Ull@Corp.Example.org> is full" : undefined,
    },
    policies: { domains: { domains: DOMAINS } },
  });
});
after(async () => {
  await edge[Symbol.asyncDispose]();
  await dns.close();
});

/** The bounce of a message to ann, who gets it, and to full, who is refused. */
async function bounceOf(message: string, parameters = ""): Promise<string> {
  const before = edge.world.messages.length;
  const to = ["full@example.org", "ann@EXAMPLE.org"];
  const sent = await edge.receive({ from: SENDER, to, message, parameters });
  assert.equal(sent.final?.code, 250);
  await edge.world.waitFor(() => edge.world.messages.length > before, 60_000);
  const bounce = edge.world.messages.at(-1);
  assert.deepEqual([bounce?.sender, bounce?.recipients], ["", [SENDER]]);
  return bounce?.data.toString("latin1") ?? "";
}

/** What the hub got; it shows that the bounce had something to hide. */
function deliveredHeader(): string {
  const text = edge.inside.messages.at(-1)?.data.toString("latin1") ?? "";
  return text.slice(0, text.indexOf("\r\n\r\n"));
}

for (const ret of ["HDRS", "FULL"]) {
  test(`a bounce shows outside only the addresses that its sender wrote, with RET=${ret}`, async () => {
    const bounce = await bounceOf(`${HEADERS}${BODY}`, `RET=${ret}`);
    assert.match(deliveredHeader(), /f\.ull@corp.*ann@corp.*eve@corp.*dan@corp/s);
    assert.ok(bounce.includes(`\r\n${HEADERS}\r\n`), bounce);
    assert.equal(bounce.includes(BODY), ret === "FULL");
    assert.match(bounce, /^Original-Recipient: rfc822; full@example\.org\r$/m);
    assert.match(bounce, /^Final-Recipient: rfc822; full@example\.org\r$/m);
    assert.match(bounce, /^Diagnostic-Code: smtp; 552 5\.2\.2 <full@example\.org> is full\r$/m);
    assert.doesNotMatch(bounce, /corp/i);
  });
}

test("a header that is too long to be looked at whole hides nothing behind its end", async () => {
  const long = `X-Long: ${`${"long ".repeat(150)}\r\n\t`.repeat(90)}.\r\n`;
  const bounce = await bounceOf(`${long}${HEADERS}${BODY}`, "RET=FULL");
  assert.match(deliveredHeader(), /f\.ull@corp/);
  assert.match(bounce, /^Final-Recipient: rfc822; full@example\.org\r$/m);
  assert.doesNotMatch(bounce, /corp/i);
});
