import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noPostfix, type PostfixHub, startPostfixHub } from "../support/postfix-hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { RECIPIENT_TRAPS, type TrapGroup } from "./recipient-trap-table.ts";
import { SENDER_TRAPS } from "./sender-trap-table.ts";

/**
 * The whole gateway in front of a real Postfix that takes mail for every domain there is: a foreign
 * recipient that came through would be delivered. What the gateway says to it is recorded on
 * the way.
 */
const skip = noPostfix();
const ACCEPTED_DOMAINS = [
  "example.org",
  "under_score.example.org",
  "*.example.net",
  "b\u00fccher.example",
];
/** What they are called in an address, for a look that does not use our own parser. */
const OWN_DOMAIN =
  /@(?:(?:under_score\.)?example\.org|[^@]*\.example\.net|(?:xn--bcher-kva|bücher)\.example)>$/i;
const SENDER = "<carol@friend.test>";
const RECIPIENT = "<alice@example.org>";

const cleanUp = new AsyncDisposableStack();
let hub: PostfixHub;
let proxy: RecordingProxy;
let edge: TestGateway;
/** How many Postfix must have; the first is no trap. */
let delivered = 1;

before(async () => {
  if (skip) return;
  hub = await startPostfixHub({
    domains: [],
    main: {
      virtual_mailbox_domains: "static:all",
      mynetworks: "127.0.0.0/8",
      smtpd_relay_restrictions: "permit_mynetworks, reject",
      // RFC 5321 or not: whatever the gateway lets pass shall show.
      strict_rfc821_envelopes: "no",
      allow_untrusted_routing: "yes",
    },
  });
  cleanUp.defer(() => hub.stop());
  proxy = await startRecordingProxy(hub.port);
  cleanUp.use(proxy);
  const domains = Object.fromEntries(ACCEPTED_DOMAINS.map((name) => [name, { verify: "off" }]));
  const smarthosts = [`127.0.0.1:${proxy.port}`];
  edge = await startTestGateway({
    hubPort: proxy.port,
    policies: {
      domains: { domains },
      routing: { connectors: { hub: { domains: ACCEPTED_DOMAINS, smarthosts } } },
      limits: { connections: { newPerClientPerMinute: 10_000 } },
    },
  });
  cleanUp.defer(() => edge.remove());
  // What the hub can take is known, and offered, from the first message on.
  const first = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
  assert.equal(first.final?.code, 250, first.final?.text ?? "no recipient");
});

after(() => cleanUp.disposeAsync());

interface Trap extends Pick<TrapGroup, "utf8"> {
  /** With brackets, one char an octet. */
  readonly path: string;
  readonly isCarried: boolean;
}

function trapsOf(groups: readonly TrapGroup[]): readonly Trap[] {
  return groups.flatMap(({ carried = [], refused = [], utf8, octets }) => {
    const toTrap = (isCarried: boolean) => (text: string) => ({
      path: octets ? text : Buffer.from(text).toString("latin1"),
      isCarried,
      ...(utf8 && { utf8 }),
    });
    return [...carried.map(toTrap(true)), ...refused.map(toTrap(false))];
  });
}

interface Outcome {
  readonly isTaken: boolean;
  /** What was said to the hub meanwhile: its MAIL and RCPT lines. */
  readonly toHub: readonly string[];
  readonly id: string | null;
  /** The last reply. */
  readonly text: string;
}

/** One message; every octet of the envelope as given. */
async function tryEnvelope(mail: string, rcpt: string): Promise<Outcome> {
  const before = proxy.lines().length;
  const client = await RawClient.open({ port: edge.port });
  let text = "";
  const say = async (line: string): Promise<number> => {
    client.send(Buffer.from(`${line}\r\n`, "latin1"));
    const reply = await client.reply();
    text = reply.text;
    return reply.code;
  };
  const isTaken = await (async () => {
    await client.reply();
    await say("EHLO client.test");
    if ((await say(`MAIL FROM:${mail}`)) !== 250) return false;
    if ((await say(`RCPT TO:${rcpt}`)) !== 250) return false;
    if ((await say("DATA")) !== 354) return false;
    return (await say(`${SIMPLE_MESSAGE}.`)) === 250;
  })();
  client.destroy();
  const toHub = proxy
    .lines()
    .slice(before)
    .filter((line) => /^(?:MAIL|RCPT)/i.test(line));
  const id = /\(ref ([0-9A-Z]{18})\)/.exec(text)?.[1] ?? null;
  return { isTaken, toHub, id, text };
}

/** Each of them once, by Postfix itself. */
async function assertDelivered(ids: readonly (string | null)[]): Promise<void> {
  delivered += ids.length;
  const messages = await hub.waitForMessages(delivered, 60_000);
  assert.equal(messages.length, delivered);
  for (const id of ids) {
    const field = `X-Postern-Id: ${id}\n`;
    assert.equal(messages.filter(({ raw }) => raw.includes(field)).length, 1, String(id));
  }
}

/** Of all that was ever said to the hub. */
function assertNoForeigner(): void {
  const rcpts = proxy.lines().filter((line) => line.startsWith("RCPT"));
  const foreign = rcpts.filter((line) => !OWN_DOMAIN.test(Buffer.from(line, "latin1").toString()));
  assert.deepEqual(foreign, []);
}

test("a recipient that two servers may read differently is refused, or spoken to Postfix as it came", {
  skip,
}, async () => {
  const traps = trapsOf(RECIPIENT_TRAPS);
  assert.ok(traps.length >= 100, `only ${traps.length}`);
  const wrong: string[] = [];
  const ids: (string | null)[] = [];
  for (const { path, isCarried, utf8 } of traps) {
    const { isTaken, toHub, id, text } = await tryEnvelope(
      `${SENDER}${utf8 ? " SMTPUTF8" : ""}`,
      path,
    );
    const rcpts = toHub.filter((line) => line.startsWith("RCPT"));
    const expected = isCarried ? [`RCPT TO:${path}`] : [];
    const isRight = isTaken === isCarried && JSON.stringify(rcpts) === JSON.stringify(expected);
    if (!isRight) wrong.push(`${JSON.stringify(path)}: ${text}; the hub heard ${rcpts.join()}`);
    else if (!isTaken && !/^[45]/.test(text)) wrong.push(`${JSON.stringify(path)}: ${text}`);
    if (isTaken) ids.push(id);
  }
  assert.deepEqual(wrong, []);
  await assertDelivered(ids);
  assertNoForeigner();
});

test("a sender that two servers may read differently is refused, or spoken to Postfix as it came", {
  skip,
}, async () => {
  const wrong: string[] = [];
  const ids: (string | null)[] = [];
  for (const { path, isCarried, utf8 } of trapsOf(SENDER_TRAPS)) {
    const mail = `${path}${utf8 ? " SMTPUTF8" : ""}`;
    const { isTaken, toHub, id, text } = await tryEnvelope(mail, RECIPIENT);
    const isSpoken = toHub.length === 2 && toHub[0]?.startsWith(`MAIL FROM:${path} `) === true;
    const isRight = isTaken === isCarried && (isTaken ? isSpoken : toHub.length === 0);
    if (!isRight) wrong.push(`${JSON.stringify(path)}: ${text}; the hub heard ${toHub.join()}`);
    if (isTaken) ids.push(id);
  }
  assert.deepEqual(wrong, []);
  await assertDelivered(ids);
  assertNoForeigner();
});
