import assert from "node:assert/strict";
import { test } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { isVisible } from "../../src/cli/visible-text.ts";
import type { RawClient } from "../support/raw-client.ts";
import type { HubAction, HubOptions, ScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import {
  type EdgeOptions,
  greet,
  openTransaction,
  storyOf,
  withEdge,
} from "../support/with-edge.ts";

/** Resolves to the last reply that spoke of the transaction; null when there was none. */
type Drive = (client: RawClient, edge: TestGateway, hub: ScriptedHub) => Promise<string | null>;

interface Ending extends EdgeOptions {
  readonly title: string;
  /** Default: a transaction for alice@example.org is open, DATA not yet said. */
  readonly start?: (edge: TestGateway) => Promise<RawClient>;
  readonly drive: Drive;
  /** action, cause, via as they are logged. */
  readonly told: readonly [string, string | null, string | null];
}

const finish: Drive = async (client) => sendData(client, SIMPLE_MESSAGE);

async function sendData(client: RawClient, message: string): Promise<string> {
  await client.say("DATA");
  client.send(`${message}.\r\n`);
  return (await client.reply()).text;
}

const quit: Drive = async (client) => {
  await client.say("QUIT");
  return null;
};

/** The words of the last of these replies. */
const say =
  (...lines: readonly string[]): Drive =>
  async (client) => {
    let text = "";
    for (const line of lines) ({ text } = await client.say(line));
    return text;
  };

function atDot(words: HubAction): HubOptions {
  return { script: ({ step }) => (step === "dot" ? words : undefined) };
}

const LONG_HEADER = `X-Long: ${"x".repeat(2000)}\r\n`;
const HOPS = "Received: from a by b\r\n".repeat(11);

const ENDINGS: readonly Ending[] = [
  { title: "taken by the hub", drive: finish, told: ["relay", null, "hub"] },
  {
    title: "spooled because the hub is away",
    hub: { script: ({ step }) => (step === "connect" ? { drop: true } : undefined) },
    drive: finish,
    told: ["relay", null, "spool"],
  },
  {
    title: "held",
    policies: { pipeline: { thresholds: { quarantine: 0, reject: null } } },
    drive: finish,
    told: ["quarantine", "spam", "quarantine"],
  },
  {
    title: "refused by score",
    policies: { pipeline: { thresholds: { quarantine: null, reject: 0 } } },
    start: greet,
    drive: say("MAIL FROM:<carol@friend.test>", "RCPT TO:<alice@example.org>"),
    told: ["reject", "spam", null],
  },
  {
    title: "refused by the hub",
    hub: atDot("554 5.7.1 no"),
    drive: finish,
    told: ["reject", "hub-refused", null],
  },
  {
    title: "put off by the hub",
    hub: atDot("451 4.7.1 later"),
    drive: finish,
    told: ["defer", "hub-deferred", null],
  },
  {
    title: "refused as relaying",
    start: greet,
    drive: say("MAIL FROM:<carol@friend.test>", "RCPT TO:<a@elsewhere.test>"),
    told: ["reject", "relay-denied", null],
  },
  {
    title: "refused as unknown, with a null sender",
    start: greet,
    drive: say("MAIL FROM:<>", "RCPT TO:<nobody@example.org>"),
    told: ["reject", "recipient-unknown", null],
  },
  {
    title: "refused because of the client",
    policies: { access: { block: [{ client: "127.0.0.1", reason: "for the test" }] } },
    start: greet,
    drive: say("MAIL FROM:<carol@friend.test>", "RCPT TO:<alice@example.org>"),
    told: ["reject", "client-blocked", null],
  },
  {
    title: "a bare LF",
    drive: (client) => sendData(client, `${SIMPLE_MESSAGE}bare\nline\r\n`),
    told: ["reject", "bare-line-ending", null],
  },
  {
    title: "too large",
    policies: { limits: { message: { maxBytes: 65_536 } } },
    drive: (client) => sendData(client, `${SIMPLE_MESSAGE}${"x".repeat(70_000)}\r\n`),
    told: ["reject", "too-large", null],
  },
  {
    title: "too large by far",
    policies: { limits: { message: { maxBytes: 65_536 } } },
    async drive(client) {
      await client.say("DATA");
      client.send(SIMPLE_MESSAGE + `${"x".repeat(998)}\r\n`.repeat(200));
      return client.closed();
    },
    told: ["reject", "too-large", null],
  },
  {
    title: "too long a header",
    policies: { limits: { message: { headerBytes: 1024 } } },
    drive: (client) => sendData(client, LONG_HEADER + SIMPLE_MESSAGE),
    told: ["reject", "header-too-large", null],
  },
  {
    title: "a loop",
    policies: { limits: { message: { receivedHeaders: 10 } } },
    drive: (client) => sendData(client, HOPS + SIMPLE_MESSAGE),
    told: ["reject", "loop", null],
  },
  {
    title: "a scanner that is away",
    clamd: ["127.0.0.1:9"],
    drive: finish,
    told: ["defer", "check-unavailable", null],
  },
  { title: "QUIT before DATA", drive: quit, told: ["dropped", null, null] },
  { title: "RSET", drive: say("RSET"), told: ["dropped", null, null] },
  { title: "another EHLO", drive: say("EHLO again.test"), told: ["dropped", null, null] },
  { title: "STARTTLS", drive: say("STARTTLS"), told: ["dropped", null, null] },
  {
    title: "QUIT after MAIL",
    start: greet,
    async drive(client) {
      await client.say("MAIL FROM:<carol@friend.test>");
      return quit(client, {} as TestGateway, {} as ScriptedHub);
    },
    told: ["dropped", null, null],
  },
  {
    title: "DATA and the message at once",
    async drive(client) {
      client.send(`DATA\r\n${SIMPLE_MESSAGE}.\r\n`);
      return client.closed();
    },
    told: ["dropped", null, null],
  },
  {
    title: "too many errors",
    policies: { limits: { session: { errorsSoft: 1, errorsHard: 1 } } },
    drive: say("NONSENSE", "NONSENSE"),
    told: ["dropped", null, null],
  },
  {
    title: "a client that leaves after RCPT",
    async drive(client) {
      client.destroy();
      return null;
    },
    told: ["dropped", null, null],
  },
  {
    title: "a client that leaves in the middle of the message",
    async drive(client) {
      await client.say("DATA");
      await client.sendNow(SIMPLE_MESSAGE);
      client.destroy();
      return null;
    },
    told: ["dropped", null, null],
  },
  {
    title: "a client that leaves while the hub thinks",
    hub: atDot({ hang: true }),
    policies: { limits: { delivery: { waitSeconds: 1 } } },
    async drive(client, _edge, hub) {
      await client.say("DATA");
      await client.sendNow(`${SIMPLE_MESSAGE}.\r\n`);
      await hub.waitFor(() => hub.count("dot") === 1);
      client.destroy();
      return null;
    },
    told: ["relay", null, "spool"],
  },
];

for (const { title, start = openTransaction, drive, told, ...options } of ENDINGS)
  test(`an ending is told once, by its reference, and in words: ${title}`, async () => {
    await withEdge(options, async (edge, hub) => {
      const client = await start(edge);
      const reply = await drive(client, edge, hub);
      client.destroy();
      const { id, reply: toldReply } = await edge.waitForLog("decided");
      const reference = /\(ref (\w{18})\)/.exec(reply ?? "")?.[1];
      if (told[0] !== "dropped" && reply !== null) assert.equal(reference, id);
      if (reference !== undefined) assert.equal(toldReply, reply?.trimEnd());
      for (const line of describeStory(await storyOf(edge, String(id)))) {
        assert.doesNotMatch(line, /undefined|\[object|NaN|null/);
        assert.ok(isVisible(line), line);
      }
      await edge.stop();
      const decided = edge.log.filter(({ event }) => event === "decided");
      assert.deepEqual(
        decided.map(({ action, cause, via }) => [action, cause, via]),
        [told],
      );
      const bugs = edge.log.filter(({ event }) => event === "bug" || event === "session-failed");
      assert.deepEqual(bugs, []);
    });
  });
