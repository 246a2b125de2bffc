import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type EximHub, startEximHub } from "../support/exim-hub.ts";
import { noExim } from "../support/exim-peer.ts";
import { findFreeTcpPort } from "../support/free-port.ts";
import { type NsdServer, noNsd, startNsd } from "../support/nsd-server.ts";
import { noPostfix, type PostfixHub, startPostfixHub } from "../support/postfix-hub.ts";
import { type SentMail, SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { type LogLine, startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

/**
 * The internet on this machine: NSD for its names, Postfix on 127.0.0.2 and Exim on 127.0.0.3 as
 * mail servers on one port, and the gateway with a hub listener, through which mail leaves.
 */
const skip = noNsd() || noPostfix() || noExim();

const ZONE = `
postfix A 127.0.0.2
exim A 127.0.0.3
exim6 AAAA ::3
down A 127.0.0.4
us A 127.0.0.1
; by preference, and the best one is down
first MX 10 down
first MX 20 postfix
first MX 30 exim
; no MX: its own address
plain A 127.0.0.3
; an address of a family that is not there is passed over
both MX 10 exim6
both MX 20 exim
alias CNAME aliased
aliased MX 10 postfix
null MX 0 .
empty TXT "no mail here"
astray MX 10 nowhere
; we ourselves are the best, by name and by address
byname MX 10 mx
byname MX 20 postfix
byaddress MX 10 us
byaddress MX 20 postfix
; and here only a better one is left
backup MX 5 postfix
backup MX 10 us
backup MX 20 exim
mixed MX 10 postfix
mixed2 MX 10 exim
`;

const DOMAINS = "first plain both aliased alias byname byaddress backup mixed mixed2".split(" ");
const LATER = { delivery: { retryFirstSeconds: 1, retryMaxSeconds: 1, waitSeconds: 20 } };

const cleanUp = new AsyncDisposableStack();
let dns: NsdServer;
let postfix: PostfixHub;
let exim: EximHub;
let edge: TestGateway;

before(async () => {
  if (skip) return;
  const domains = DOMAINS.map((name) => `${name}.test`);
  const port = await findFreeTcpPort();
  dns = await startNsd({ test: ZONE });
  cleanUp.defer(() => dns.stop());
  postfix = await startPostfixHub({
    host: "127.0.0.2",
    port,
    domains,
    recipients: domains.flatMap((domain) => [`a@${domain}`, `b@${domain}`, `later@${domain}`]),
    main: {
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{ { later@mixed.test = 450 4.2.1 come again } }, permit",
    },
  });
  cleanUp.defer(() => postfix.stop());
  exim = await startEximHub({
    host: "127.0.0.3",
    port,
    domains,
    unknown: ["no@mixed2.test"],
    later: ["later@mixed2.test"],
  });
  cleanUp.defer(() => exim.stop());
  edge = await startEdge(1);
  cleanUp.defer(() => edge.remove());
});
after(() => cleanUp.disposeAsync());

function startEdge(workers: number): Promise<TestGateway> {
  return startTestGateway({
    hubPort: 9,
    dnsServer: dns.address,
    policies: {
      routing: {
        connectors: {
          hub: { domains: ["example.org"], smarthosts: ["127.0.0.1:9"] },
          internet: { domains: ["*"], mx: true, port: exim.port },
        },
      },
      limits: LATER,
    },
    settings: {
      hostname: "mx.test",
      workers,
      listeners: [{ name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] }],
      dns: { servers: [dns.address], timeoutMs: 1000 },
    },
  });
}

const send = (...to: string[]): Promise<SentMail> =>
  sendMail({ port: edge.port, from: "alice@example.org", to, message: SIMPLE_MESSAGE });

function factsOf(id: string | null, kind?: string): readonly LogLine[] {
  const kinds =
    kind === undefined ? ["delivered", "refused", "deferred", "held", "bounced"] : [kind];
  return edge.log.filter((line) => line.id === id && kinds.includes(line.event));
}

async function delivered(to: string): Promise<string> {
  const { final, id } = await send(to);
  assert.equal(final?.code, 250, final?.text ?? "no answer");
  const fact = await edge.waitForLog("delivered", (line) => line.id === id);
  return `${String(fact.hub).replace(/:\d+$/, "")} ${fact.address}`;
}

test("mail goes to the best server that answers, and is told as it went", { skip }, async () => {
  assert.equal(await delivered("a@first.test"), "postfix.test 127.0.0.2");
  const [fact] = edge.log.filter(({ event }) => event === "delivered");
  const { fate } = await storyOf(edge, String(fact?.id));
  const [told] = fate.filter(({ kind }) => kind === "delivered");
  assert.ok(told?.kind === "delivered");
  assert.equal(told.address, "127.0.0.2");
});

test("without MX the domain itself is asked; a CNAME is followed; a deaf family passed over", {
  skip,
}, async () => {
  assert.equal(await delivered("a@plain.test"), "plain.test 127.0.0.3");
  assert.equal(await delivered("a@alias.test"), "postfix.test 127.0.0.2");
  assert.equal(await delivered("a@both.test"), "exim.test 127.0.0.3");
});

test("what can never be delivered is refused in the session, with the reason", {
  skip,
}, async () => {
  const answers = new Map<string, string>();
  for (const domain of ["null", "absent", "empty", "astray", "byname", "byaddress"]) {
    const { final } = await send(`a@${domain}.test`);
    answers.set(domain, final?.text.slice(0, 10).trim() ?? "");
  }
  assert.deepEqual(Object.fromEntries(answers), {
    null: "556 5.1.10",
    absent: "550 5.1.2",
    empty: "550 5.4.4",
    astray: "550 5.4.4",
    byname: "554 5.4.6",
    byaddress: "554 5.4.6",
  });
  const literal = await send("a@[127.0.0.2]");
  assert.match((literal.final ?? literal.rcpt[0])?.text ?? "", /^55\d 5\./);
});

test("as a backup we send to better servers only, never to ourselves or worse", {
  skip,
}, async () => {
  assert.equal(await delivered("a@backup.test"), "postfix.test 127.0.0.2");
});

test("while DNS is away mail is kept, and sent when it is back", { skip }, async () => {
  dns.pause();
  try {
    const { final, id } = await send("b@aliased.test");
    assert.equal(final?.code, 250);
    const fact = await edge.waitForLog("deferred", (line) => line.id === id);
    assert.match(String(fact.reply), /MX of aliased\.test/);
    dns.resume();
    const after = await edge.waitForLog("delivered", (line) => line.id === id);
    assert.equal(after.address, "127.0.0.2");
  } finally {
    dns.resume();
  }
});

for (const [name, domain] of [
  ["Postfix", "mixed.test"],
  ["Exim", "mixed2.test"],
] as const) {
  test(`each recipient has its own fate at ${name}, and the good one gets it once`, {
    skip,
  }, async () => {
    const { final, id } = await send(`a@${domain}`, `no@${domain}`, `later@${domain}`);
    assert.equal(final?.code, 250, final?.text ?? "no answer");
    const isAbout = (line: LogLine, who: string) =>
      line.id === id &&
      Array.isArray(line.recipients) &&
      line.recipients.includes(`${who}@${domain}`);
    await edge.waitForLog("delivered", (line) => isAbout(line, "a"));
    const refused = await edge.waitForLog("refused", (line) => isAbout(line, "no"));
    assert.match(String(refused.reply), /^550 5\.1\.1 /);
    // Tried again at least twice, and put off each time.
    const puttings = () => factsOf(id, "deferred").filter((line) => isAbout(line, "later"));
    await waitUntil(
      () => `not tried again: ${JSON.stringify(puttings())}`,
      () => puttings().length >= 3 || undefined,
      30_000,
    );
    assert.match(String(puttings().at(-1)?.reply), /^450 4\.2\.1 |^451 4\.2\.1 /);
    assert.equal(factsOf(id, "delivered").length, 1);
    assert.equal(factsOf(id, "refused").length, 1);
    const arrived =
      name === "Postfix"
        ? (await postfix.waitForMessages(1)).filter(({ recipient }) => recipient.endsWith(domain))
        : (await exim.waitForMessages(1)).filter(({ recipients }) => recipients.endsWith(domain));
    assert.equal(arrived.length, 1);
  });
}

test("several workers send and refuse alike, and the service tries again", { skip }, async () => {
  const many = await startEdge(2);
  try {
    const to = ["a@first.test", "later@mixed2.test"];
    const from = "alice@example.org";
    const sent = await sendMail({ port: many.port, from, to, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250, sent.final?.text ?? "no answer");
    const fact = await many.waitForLog("delivered", (line) => line.id === sent.id);
    assert.equal(fact.address, "127.0.0.2");
    const again = await many.waitForLog(
      "deferred",
      (line) => line.id === sent.id && line.address === "127.0.0.3" && line.process === "service",
    );
    assert.match(String(again.reply), /4\.2\.1/);
    const refused = await sendMail({
      port: many.port,
      from,
      to: ["a@null.test"],
      message: SIMPLE_MESSAGE,
    });
    assert.equal(refused.final?.code, 556);
  } finally {
    await many.remove();
  }
});
