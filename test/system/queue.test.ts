import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { QueueRow } from "../../src/control/queue-selection.ts";
import { afterwards } from "../support/afterwards.ts";
import { runPostern } from "../support/run-postern.ts";
import { type HubAction, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

const DOMAINS = {
  "example.org": { recipients: { list: ["alice@example.org"] } },
  "spooled.test": { verify: "off", ack: "spool" },
  "other.test": { verify: "off", ack: "spool" },
};
const LIMITS = { delivery: { waitSeconds: 1, retryFirstSeconds: 1, retryMaxSeconds: 1 } };
const PATIENT = {
  connections: { newPerClientPerMinute: 10_000 },
  delivery: { waitSeconds: 5, retryFirstSeconds: 3600, retryMaxSeconds: 3600 },
};

function policiesFor(hubPort: number, limits: unknown) {
  const hub = { domains: Object.keys(DOMAINS), smarthosts: [`127.0.0.1:${hubPort}`] };
  return { domains: { domains: DOMAINS }, routing: { connectors: { hub } }, limits };
}

async function openBench(t: TestContext, workers: number, limits: unknown = LIMITS) {
  const mood: { mail: HubAction; dot: Promise<string> | null } = { mail: undefined, dot: null };
  const hub = await startScriptedHub({
    script: ({ step }) => {
      if (step === "dot" && mood.dot !== null) return mood.dot;
      return step === "mail" ? mood.mail : undefined;
    },
  });
  afterwards(t, () => hub.close());
  const edge = await startTestGateway({
    hubPort: hub.port,
    policies: policiesFor(hub.port, limits),
    settings: { workers },
  });
  afterwards(t, () => edge.remove());
  const queue = (...argv: string[]) => runPostern(edge, "queue", ...argv);
  const rows = async (...argv: string[]): Promise<readonly QueueRow[]> =>
    (await queue("list", "--json", ...argv)).out.map((line) => JSON.parse(line));
  /** The entries, once they are in that state. */
  const entries = (state: string, count: number) =>
    waitUntil(
      () => `not ${count} entries are ${state}`,
      async () => {
        const found = await rows("--state", state);
        return found.length === count ? found.map(({ id }) => id) : undefined;
      },
    );
  const send = async (to: string) => {
    const { final, id } = await sendMail({ port: edge.port, to: [to], message: SIMPLE_MESSAGE });
    assert.equal(final?.code, 250);
    return id ?? "";
  };
  return { mood, hub, edge, queue, entries, send, rows };
}

const AWAY = { drop: true, reply: "421 4.3.2 not now" } as const;

for (const workers of [1, 2]) {
  test(`the queue of a gateway that runs is steered, with ${workers} workers`, async (t) => {
    const { mood, hub, edge, queue, entries, send } = await openBench(t, workers);
    mood.mail = AWAY;
    const id = await send("bob@spooled.test");
    const [entry = ""] = await entries("due", 1);
    assert.equal((await queue("hold", id, "--note", "move")).code, 0);
    await entries("held", 1);
    mood.mail = undefined;
    await send("carol@spooled.test");
    await hub.waitForMessages(1);
    assert.deepEqual(hub.messages[0]?.recipients, ["carol@spooled.test"]);
    assert.equal((await queue("release", entry)).code, 0);
    const [, released] = await hub.waitForMessages(2);
    assert.deepEqual(released?.recipients, ["bob@spooled.test"]);
    const story = await waitUntil(
      () => "the end is not told",
      async () => {
        const { text } = await runPostern(edge, "explain", id);
        return /delivered to/.test(text) ? text : undefined;
      },
    );
    assert.match(story, /held in the queue by admin for <bob@spooled\.test>: move/);
    assert.match(story, /let go in the queue by admin/);
  });

  test(`what is dropped is never delivered, with ${workers} workers`, async (t) => {
    const { mood, hub, edge, queue, entries, send } = await openBench(t, workers);
    mood.mail = AWAY;
    const gone = await send("bob@spooled.test");
    const told = await send("dave@other.test");
    assert.equal((await queue("hold", "--all")).code, 0);
    await entries("held", 2);
    assert.equal((await queue("drop", "--domain", "spooled.test")).code, 0);
    const bounced = await queue("drop", told, "--bounce");
    assert.match(bounced.text, /no bounce may be sent, so it is kept in quarantine/);
    mood.mail = undefined;
    await send("carol@spooled.test");
    await hub.waitForMessages(1);
    await entries("due", 0);
    assert.deepEqual(
      hub.messages.map(({ recipients }) => recipients[0]),
      ["carol@spooled.test"],
    );
    assert.match((await runPostern(edge, "quarantine", "list")).text, /undeliverable/);
    for (const [id, how] of [
      [gone, "without a bounce"],
      [told, "kept in quarantine"],
    ] as const) {
      const { text } = await runPostern(edge, "explain", id);
      assert.match(text, new RegExp(`dropped from the queue by admin.*: .*${how}`));
    }
  });

  test(`what is being delivered is left to its attempt, with ${workers} workers`, async (t) => {
    const { mood, hub, edge, queue, entries, send } = await openBench(t, workers);
    const answer = Promise.withResolvers<string>();
    mood.dot = answer.promise;
    // One is delivered from the spool; for the other the gateway's own attempt has no answer yet.
    await send("bob@spooled.test");
    await send("alice@example.org");
    for (const id of await entries("active", 2)) {
      for (const verb of ["drop", "retry"]) {
        const { code, text } = await queue(verb, id);
        assert.equal(code, 1);
        assert.match(text, /being delivered right now/);
      }
      assert.match((await queue("hold", id)).text, /held when this attempt leaves it/);
      assert.match((await queue("show", id)).text, /^state +being delivered, then held by /m);
    }
    answer.resolve("250 2.0.0 taken");
    await waitUntil(
      () => "the queue does not end",
      async () => ((await queue("list")).text === "the queue is empty" ? true : undefined),
    );
    assert.equal(hub.messages.length, 2);
    assert.deepEqual(readdirSync(join(edge.folder, "data/spool/held")), []);
  });

  test(`when a hub is back, what waited follows the next message, with ${workers} workers`, async (t) => {
    const { mood, hub, edge, entries, rows, send } = await openBench(t, workers, PATIENT);
    mood.mail = AWAY;
    for (let i = 0; i < 3; i++) await send("bob@spooled.test");
    // Their next attempt is an hour away; the gateway's own attempts fail as well.
    await waitUntil(
      () => "not all were tried",
      async () => {
        const tried = (await rows()).filter(({ attempts }) => attempts > 0);
        return tried.length === 3 || undefined;
      },
    );
    for (let i = 0; i < 4; i++) await send("alice@example.org");
    mood.mail = undefined;
    await waitUntil(
      () => `${hub.messages.length} messages arrived`,
      async () => {
        await send("alice@example.org");
        const names = hub.messages.flatMap(({ recipients }) => recipients);
        return names.filter((name) => name === "bob@spooled.test").length === 3 || undefined;
      },
      90_000,
    );
    assert.ok(edge.log.some(({ event }) => event === "destination-recovered"));
    await entries("due", 0);
  });
}

test("the queue of a gateway that does not run is steered on its files", async (t) => {
  const { mood, hub, edge, queue, entries, send, rows } = await openBench(t, 1);
  mood.mail = AWAY;
  await send("bob@spooled.test");
  await send("dave@other.test");
  await entries("due", 2);
  await edge.stop();
  assert.equal((await queue("hold", "--domain", "spooled.test")).code, 0);
  assert.match((await queue("drop", "--domain", "other.test", "--bounce")).text, /in quarantine/);
  assert.deepEqual(
    (await rows()).map(({ state }) => state),
    ["held"],
  );
  mood.mail = undefined;
  const again = await startTestGateway({
    hubPort: hub.port,
    folder: edge.folder,
    policies: policiesFor(hub.port, LIMITS),
  });
  afterwards(t, () => again.stop());
  await runPostern(again, "queue", "release", "--all");
  const [message] = await hub.waitForMessages(1);
  assert.deepEqual(message?.recipients, ["bob@spooled.test"]);
  assert.match((await runPostern(again, "quarantine", "list")).text, /undeliverable/);
});
