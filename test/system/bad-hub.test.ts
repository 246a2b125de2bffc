import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TransactionStory } from "../../src/tracking/tracking.ts";
import { findFreeTcpPort } from "../support/free-port.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";
import { HUB_FAULTS, type HubFault } from "./hub-fault-table.ts";

const ACKS = ["hub", "spool"] as const;
type Ack = (typeof ACKS)[number];

/** Nobody waits long, and what failed is tried again soon. */
const LIMITS = { delivery: { waitSeconds: 1, retryFirstSeconds: 1, retryMaxSeconds: 1 } };
/** A hub that failed is left alone for up to half a minute. */
const HEALING_LIMIT_MS = 60_000;

function startEdge(port: number, ack: Ack, tls: HubFault["tls"] = "none"): Promise<TestGateway> {
  const list = ["alice@example.org"];
  const hub = { domains: ["example.org"], smarthosts: [`127.0.0.1:${port}`], tls };
  return startTestGateway({
    hubPort: port,
    policies: {
      limits: LIMITS,
      domains: { domains: { "example.org": { ack, recipients: { list } } } },
      routing: { connectors: { hub } },
    },
  });
}

function send(edge: TestGateway, { message, sender, parameters }: Partial<HubFault>) {
  return sendMail({
    port: edge.port,
    message: message ?? SIMPLE_MESSAGE,
    ...(sender && { from: sender }),
    ...(parameters && { parameters }),
  });
}

/** Waits until the story of the mail, as explain gets it, has what is looked for. */
function storyWith(
  edge: TestGateway,
  id: string | null,
  what: string,
  matches: (fate: TransactionStory["fate"][number]) => boolean,
): Promise<TransactionStory> {
  let last: TransactionStory | null = null;
  return waitUntil(
    () => `explain does not tell of ${what}: ${JSON.stringify(last?.fate)}`,
    async () => {
      last = await storyOf(edge, id).catch(() => null);
      return last?.fate.some(matches) ? last : undefined;
    },
    HEALING_LIMIT_MS,
  );
}

/** Files of what is still owed. */
const owedBy = ({ folder }: TestGateway): readonly string[] =>
  ["due", "active"].flatMap((state) => readdirSync(join(folder, "data/spool", state)));

/** Only then no copy can follow any more. */
async function untilNothingIsOwed(edge: TestGateway): Promise<void> {
  await waitUntil(
    () => `the spool still holds ${owedBy(edge)}`,
    () => owedBy(edge).length === 0 || undefined,
    HEALING_LIMIT_MS,
  );
}

const wordsOf = (fact: object) => ("reply" in fact ? String(fact.reply) : "");

async function assertKept(
  edge: TestGateway,
  hub: ScriptedHub,
  fault: HubFault,
  ack: Ack,
  heal: () => void,
): Promise<void> {
  const sent = await send(edge, fault);
  assert.match(sent.final?.text ?? "", /^250 /);
  if (!(fault.isHanging && ack === "spool"))
    await storyWith(edge, sent.id, `the fault ${fault.tells}`, (fact) =>
      fault.tells.test(wordsOf(fact)),
    );
  else await hub.waitFor(() => hub.connections > 0);
  if (fault.isIncurable) {
    assert.deepEqual(hub.messages, []);
    assert.equal(owedBy(edge).length, 1, "the mail is lost");
    return;
  }
  heal();
  await storyWith(edge, sent.id, "a delivery", ({ kind }) => kind === "delivered");
  await untilNothingIsOwed(edge);
  const copies = hub.messages.length;
  assert.ok(copies >= 1, "the mail is lost");
  assert.ok(copies <= (fault.isAfterDot ? 2 : 1), `${copies} copies`);
}

async function assertPassedOn(
  edge: TestGateway,
  hub: ScriptedHub,
  fault: HubFault,
  heal: () => void,
): Promise<void> {
  const sent = await send(edge, fault);
  assert.match(sent.final?.text ?? "", fault.tells);
  const line = await edge.waitForLog("decided");
  assert.equal(line.via, null, "something was kept");
  assert.deepEqual(owedBy(edge), []);
  const { record } = await waitUntil(
    () => "the story of the mail is not stored",
    () => storyOf(edge, sent.id).catch(() => undefined),
  );
  assert.match(record.cause ?? "", /^hub-(?:refused|deferred)$/);
  assert.equal(hub.messages.length, 0);
  if (fault.script === undefined) return;
  heal();
  const again = await send(edge, fault);
  assert.match(again.final?.text ?? "", /^250 /);
  assert.equal(hub.messages.length, 1);
}

async function assertDeliveredAtOnce(
  edge: TestGateway,
  hub: ScriptedHub,
  fault: HubFault,
): Promise<void> {
  const sent = await send(edge, fault);
  assert.match(sent.final?.text ?? "", fault.tells);
  assert.deepEqual(
    hub.messages.map(({ tls }) => tls),
    [fault.usesTls ?? false],
  );
}

describe("a hub that misbehaves loses no mail and gets none twice", { concurrency: 8 }, () => {
  for (const fault of HUB_FAULTS) {
    const acks = fault.outcome === "kept" ? ACKS : (["hub"] as const);
    for (const ack of acks)
      test(`when it ${fault.title} (ack: ${ack})`, async () => {
        const { promise: healed, resolve } = Promise.withResolvers<void>();
        let isIll = true;
        const heal = () => {
          isIll = false;
          resolve();
        };
        const hub = await startScriptedHub({
          ...fault.hub,
          script: (event) => (isIll ? fault.script?.(event, healed) : undefined),
        });
        const edge = await startEdge(hub.port, ack, fault.tls);
        try {
          if (fault.outcome === "kept") await assertKept(edge, hub, fault, ack, heal);
          else if (fault.outcome === "passed-on") await assertPassedOn(edge, hub, fault, heal);
          else await assertDeliveredAtOnce(edge, hub, fault);
        } finally {
          heal();
          await edge.remove();
          await hub.close();
        }
      });
  }

  for (const ack of ACKS)
    test(`when it refuses the connection (ack: ${ack})`, async () => {
      const port = await findFreeTcpPort();
      const edge = await startEdge(port, ack);
      try {
        const sent = await send(edge, {});
        assert.match(sent.final?.text ?? "", /^250 /);
        await storyWith(edge, sent.id, "the refusal", (fact) => /ECONNREFUSED/.test(wordsOf(fact)));
        const hub = await startScriptedHub({ port });
        try {
          await storyWith(edge, sent.id, "a delivery", ({ kind }) => kind === "delivered");
          await untilNothingIsOwed(edge);
          assert.equal(hub.messages.length, 1);
        } finally {
          await edge.stop();
          await hub.close();
        }
      } finally {
        await edge.remove();
      }
    });
});
