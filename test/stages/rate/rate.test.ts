import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { createSenderRates, createStrangerRates } from "../../../src/reputation/attempt-rates.ts";
import { createMemoryRateCounters } from "../../../src/reputation/memory-rate-counters.ts";
import {
  connectionRateStage,
  messageRateStage,
  rcptRateStage,
} from "../../../src/stages/rate/rate.ts";
import { reportWith } from "../../support/connect-facts.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { rcptFacts } from "../../support/rcpt-facts.ts";

const TWO = { perHour: 60, atOnce: 2 };
const STAGES = {
  connections: connectionRateStage,
  messages: messageRateStage,
  recipients: rcptRateStage,
} as const;

interface Attempt {
  readonly ip?: string;
  readonly sender?: string | null;
  readonly recipient?: string;
  /** The domain that SPF vouches for. */
  readonly spf?: string;
}

function createWorld(what: keyof typeof STAGES, written: object) {
  const clock = createFakeClock();
  const log: string[] = [];
  const metrics = createMetrics();
  const write = (line: string) => void log.push(line);
  const services = {
    strangerRates: createStrangerRates({
      counters: createMemoryRateCounters(clock),
      log: createLog({ level: "info", format: "json", write }),
      metrics,
    }),
  };
  const definition = STAGES[what];
  const bind = (options: object) =>
    definition.bind(definition.options.parse(options), { mode: "enforce" });
  const stage = bind(written);
  const { signal } = new AbortController();
  const attempt = async ({
    ip = "192.0.2.1",
    sender = "a@friend.test",
    recipient,
    spf,
  }: Attempt) => {
    const evidence = { result: "pass", domain: spf ?? "" };
    const reports = spf === undefined ? [] : [reportWith("spf", 0, { evidence })];
    const facts = rcptFacts(sender, recipient ?? "alice@example.org", {
      client: { ip, port: 1 },
      reports,
    });
    const view = { ...facts, dns: createLookupScope(signal) };
    const seen = await stage.observe?.(view, services, signal);
    assert.ok(seen !== undefined);
    return { facts, seen, verdict: stage.judge(JSON.parse(JSON.stringify(seen)), facts) };
  };
  const kinds = async (...attempts: readonly Attempt[]) => {
    const all: string[] = [];
    for (const one of attempts) all.push((await attempt(one)).verdict.kind);
    return all.join(" ");
  };
  return { clock, log, metrics, bind, attempt, kinds };
}

const ME = {};

for (const what of ["connections", "messages", "recipients"] as const)
  test(`a client may have so many ${what} at once, then is put off with the cause rate until some drained`, async () => {
    const { kinds, attempt, clock } = createWorld(what, { client: TWO });
    assert.equal(await kinds(ME, ME), "neutral neutral");
    const { verdict } = await attempt(ME);
    assert.ok(verdict.kind === "defer" && verdict.cause === "rate");
    assert.match(
      verdict.findings[0]?.detail ?? "",
      new RegExp(`^client 192.0.2.1/32: more than 2 ${what} at once`),
    );
    assert.equal(await kinds({ ip: "192.0.2.2" }), "neutral");
    await clock.advance(60_000);
    assert.equal(await kinds(ME, ME), "neutral defer");
  });

test("a network is a /24, of IPv6 a /48, and a client of IPv6 a /64", async () => {
  const { kinds } = createWorld("messages", { client: null, network: TWO });
  assert.equal(
    await kinds({ ip: "192.0.2.1" }, { ip: "192.0.2.99" }, { ip: "192.0.2.200" }),
    "neutral neutral defer",
  );
  assert.equal(await kinds({ ip: "192.0.3.1" }), "neutral");
  const v6 = ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:2:1::1"];
  assert.equal(await kinds(...v6.map((ip) => ({ ip }))), "neutral neutral defer neutral");
  const clients = createWorld("messages", { client: TWO });
  const same = ["2001:db8::1", "2001:db8::2", "2001:db8::3"];
  assert.equal(await clients.kinds(...same.map((ip) => ({ ip }))), "neutral neutral defer");
});

test("a sender counts wherever he comes from, but only when SPF proves him", async () => {
  const { kinds } = createWorld("messages", { client: null, sender: TWO });
  const proven = (ip: string) => ({ ip, spf: "friend.test" });
  const forged = { ip: "198.51.100.66" };
  assert.equal(
    await kinds(forged, forged, forged, { ...forged, spf: "evil.test" }),
    "neutral neutral neutral neutral",
  );
  assert.equal(
    await kinds(proven("192.0.2.1"), proven("192.0.3.1"), proven("192.0.4.1")),
    "neutral neutral defer",
  );
  assert.equal(
    await kinds({ sender: null }, { sender: null }, { sender: null }),
    "neutral neutral neutral",
  );
});

test("a domain of ours can be kept from a flood by itself", async () => {
  const { kinds } = createWorld("recipients", { client: null, recipientDomain: TWO });
  const to = (recipient: string, ip: string) => ({ recipient, ip });
  assert.equal(
    await kinds(
      to("a@example.org", "192.0.2.1"),
      to("b@example.org", "192.0.3.1"),
      to("c@EXAMPLE.org", "192.0.4.1"),
    ),
    "neutral neutral defer",
  );
  assert.equal(await kinds(to("a@example.net", "192.0.2.1")), "neutral");
});

test("as shipped nothing is counted: a filter that brings all mail is one client", async () => {
  for (const what of ["connections", "messages", "recipients"] as const) {
    const { attempt } = createWorld(what, {});
    assert.deepEqual((await attempt({ spf: "friend.test" })).seen, { counts: [] });
  }
});

test("stored evidence is judged by the options of the day, and what was not counted is unknown", async () => {
  const { attempt, bind } = createWorld("messages", { client: TWO });
  await attempt(ME);
  await attempt(ME);
  const { seen, facts } = await attempt(ME);
  assert.equal(bind({}).judge(seen, facts).kind, "neutral");
  assert.equal(bind({ client: null }).judge(seen, facts).kind, "neutral");
  const verdict = bind({ network: TWO }).judge(seen, facts);
  assert.ok(verdict.kind === "unknown");
  assert.deepEqual(verdict.missing, ["messages by network"]);
});

test("a burst is told once, each refusal is counted", async () => {
  const { kinds, log, metrics } = createWorld("messages", { client: TWO });
  await kinds(...Array.from({ length: 12 }, () => ME));
  assert.equal(log.filter((line) => line.includes('"event":"rate"')).length, 1);
  const { text } = await metrics.expose();
  assert.match(text, /postern_rate_refusals_total\{what="messages",by="client"\} 10/);
});

test("connections, messages and recipients do not count for each other, nor for our own senders", async () => {
  const clock = createFakeClock();
  const keys: string[] = [];
  const counters = createMemoryRateCounters(clock);
  const noted = {
    take: (...args: Parameters<typeof counters.take>) => {
      keys.push(args[0]);
      return counters.take(...args);
    },
  };
  const log = createLog({ level: "info", format: "json", write: () => {} });
  const deps = { counters: noted, log, metrics: createMetrics() };
  const who = { by: "client", name: "192.0.2.1/32" };
  for (const rates of [createStrangerRates(deps), createSenderRates(deps)])
    for (const unit of ["connections", "messages", "recipients"] as const)
      await rates.take(unit, who, { capacity: 1, perHour: 1 });
  assert.equal(new Set(keys).size, 6);
});
