import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { parseMailbox } from "../../../src/mail/address.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import type { MailFacts } from "../../../src/pipeline/stage.ts";
import { createSenderRates } from "../../../src/reputation/attempt-rates.ts";
import { createMemoryRateCounters } from "../../../src/reputation/memory-rate-counters.ts";
import type { RelayPermission } from "../../../src/smtp/relay-permission.ts";
import { senderRateStage } from "../../../src/stages/sender-rate/sender-rate.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const NETWORK: RelayPermission = { by: "network", network: "10.1.0.0/16" };
const ALICE: RelayPermission = { by: "password", user: "Alice" };

function factsOf(relay: RelayPermission | null, from: string, ip = "10.1.2.3"): MailFacts {
  return {
    client: { ip, port: 4711 },
    listener: { name: "inside", kind: "hub", hostname: "mx.example.org" },
    receivedAt: 0,
    seed: "s",
    reports: [],
    helo: { verb: "EHLO", name: "hub.inside" },
    tls: null,
    relay,
    sender: from === "" ? null : parseMailbox(from),
    mail: { body: "7bit", smtputf8: false },
  };
}

function createWorld(written: unknown) {
  const clock = createFakeClock();
  const log: string[] = [];
  const metrics = createMetrics();
  const services = {
    senderRates: createSenderRates({
      counters: createMemoryRateCounters(clock),
      log: createLog({ level: "info", format: "json", write: (line) => void log.push(line) }),
      metrics,
    }),
  };
  const stage = senderRateStage.bind(senderRateStage.options.parse(written), { mode: "enforce" });
  const { signal } = new AbortController();
  const send = async (relay: RelayPermission | null, from: string, ip?: string) => {
    const facts = factsOf(relay, from, ip);
    const view = { ...facts, dns: createLookupScope(signal) };
    const evidence = await stage.observe?.(view, services, signal);
    assert.ok(evidence !== undefined);
    // As it is stored: nothing of the world but plain JSON reaches the judge.
    const verdict = stage.judge(JSON.parse(JSON.stringify(evidence)), facts);
    return { evidence, verdict };
  };
  const kinds = async (times: number, relay: RelayPermission | null, from: string, ip?: string) => {
    const all: string[] = [];
    for (let i = 0; i < times; i++) all.push((await send(relay, from, ip)).verdict.kind);
    return all.join(" ");
  };
  return { clock, log, metrics, stage, send, kinds };
}

const TWO = { perHour: 60, atOnce: 2 };

test("a sender may send so many at once, then is put off with the cause rate", async () => {
  const { send, kinds, clock } = createWorld(TWO);
  assert.equal(await kinds(2, NETWORK, "alice@example.org"), "neutral neutral");
  const { verdict } = await send(NETWORK, "ALICE@example.org");
  assert.deepEqual(verdict, {
    kind: "defer",
    cause: "rate",
    findings: [
      {
        symbol: "SENDER_RATE",
        score: 0,
        detail: "sender alice@example.org: more than 2 messages at once, 60 an hour",
      },
    ],
  });
  assert.equal(await kinds(1, NETWORK, "bob@example.org"), "neutral");
  await clock.advance(60_000);
  assert.equal(await kinds(2, NETWORK, "alice@example.org"), "neutral defer");
});

test("a user counts by his name, under whatever sender and from wherever he sends", async () => {
  const { kinds } = createWorld(TWO);
  assert.equal(await kinds(1, ALICE, "a@example.org", "192.0.2.1"), "neutral");
  assert.equal(await kinds(1, ALICE, "b@example.org", "192.0.2.2"), "neutral");
  assert.equal(await kinds(1, ALICE, "", "192.0.2.3"), "defer");
});

test("the null sender counts for the client", async () => {
  const { kinds } = createWorld(TWO);
  assert.equal(await kinds(3, NETWORK, "", "10.1.2.3"), "neutral neutral defer");
  assert.equal(await kinds(1, NETWORK, "", "10.1.2.4"), "neutral");
});

test("mail of strangers counts for nobody: they could use up the rate of others", async () => {
  const { kinds } = createWorld(TWO);
  await kinds(5, null, "alice@example.org");
  assert.equal(await kinds(1, NETWORK, "alice@example.org"), "neutral");
});

test("an exception holds for its name alone, without case", async () => {
  const { kinds } = createWorld({
    ...TWO,
    for: { "News@example.org": { perHour: 60, atOnce: 4 } },
  });
  assert.equal(await kinds(5, NETWORK, "news@example.org"), `${"neutral ".repeat(4)}defer`);
  assert.equal(await kinds(3, NETWORK, "other@example.org"), "neutral neutral defer");
});

test("stored evidence is judged by the options of the day", async () => {
  const { send, kinds } = createWorld(TWO);
  await kinds(2, NETWORK, "alice@example.org");
  const { evidence } = await send(NETWORK, "alice@example.org");
  const wide = senderRateStage.bind(senderRateStage.options.parse({}), { mode: "enforce" });
  assert.equal(wide.judge(evidence, factsOf(NETWORK, "alice@example.org")).kind, "neutral");
});

test("a burst is told once, each refusal is counted", async () => {
  const { kinds, log, metrics } = createWorld(TWO);
  await kinds(12, ALICE, "alice@example.org");
  const told = log.filter((line) => line.includes('"event":"sender-rate"'));
  assert.equal(told.length, 1);
  assert.match(told[0] ?? "", /"what":"messages","by":"user","name":"alice"/);
  const { text } = await metrics.expose();
  assert.match(text, /postern_sender_rate_refusals_total\{what="messages",by="user"\} 10/);
});
