import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Unavailable } from "../../src/base/errors.ts";
import { createFactBus, type Fact } from "../../src/pipeline/facts.ts";
import type { Hold, Quarantine } from "../../src/quarantine/quarantine.ts";
import { releaseHold } from "../../src/relay/release.ts";
import { afterwards } from "../support/afterwards.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { openRelayBench } from "../support/relay-bench.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { toAddress, toSpoolItem } from "../support/spool-item.ts";

const TEXT = "Subject: held\r\n\r\nbody\r\n";
const BY = { by: "admin", force: false };

/** One held message, claimed as the contract says. */
function quarantineWith(change: Partial<Hold>, fault: { claim?: Error; bytes?: null } = {}) {
  const { dueAt: _, reason: __, ...item } = toSpoolItem(createFakeClock(0), ["a@x.test"]);
  let hold: Hold = {
    ...item,
    id: "HOLD",
    cause: "spam",
    detail: "",
    clientIp: "192.0.2.1",
    subject: null,
    from: null,
    score: 9,
    heldAt: 0,
    expiresAt: 1e15,
    bytes: TEXT.length,
    sha256: "",
    state: "held",
    releasedBy: null,
    ...change,
  };
  const quarantine = {
    find: async (id: string) => (id === hold.id ? hold : null),
    open: async () => (fault.bytes === null ? null : toBytesSource(TEXT)),
    async claimRelease(_id: string, by: string) {
      if (hold.state !== "held") return false;
      hold = { ...hold, state: "released", releasedBy: by };
      if (fault.claim) throw fault.claim;
      return true;
    },
    async unclaimRelease() {
      hold = { ...hold, state: "held", releasedBy: null };
    },
  };
  return { quarantine: quarantine as unknown as Quarantine, current: () => hold };
}

async function openBench(t: TestContext, options: HubOptions = {}) {
  const hub: ScriptedHub = await startScriptedHub(options);
  afterwards(t, () => hub.close());
  const clock = createFakeClock();
  const bench = await openRelayBench(t, { hubs: [hub], clock });
  const facts = createFactBus(() => {});
  const told: Fact[] = [];
  facts.listen((fact) => void told.push(fact));
  bench.relay.start();
  const hasRoute = async (domain: string) => domain !== "nowhere.test";
  return { hub, told, bench, deps: { ...bench, facts, clock, hasRoute } };
}

test("a released message reaches its recipients once, as it was held", async (t) => {
  const { hub, told, bench, deps } = await openBench(t);
  const { quarantine, current } = quarantineWith({});
  const results = await Promise.all([
    releaseHold({ ...deps, quarantine }, "HOLD", BY),
    releaseHold({ ...deps, quarantine }, "HOLD", BY),
  ]);
  const released = { kind: "released", recipients: ["a@x.test"] };
  const second = { kind: "refused", reason: "not-held" };
  assert.deepEqual(
    results.toSorted((a, b) => b.kind.localeCompare(a.kind)),
    [released, second],
  );
  await bench.until(() => bench.spool.list().length === 0);
  assert.equal(hub.messages.length, 1);
  assert.equal(hub.messages[0]?.data.toString(), TEXT);
  assert.equal(current().releasedBy, "admin");
  assert.deepEqual(
    told.map((fact) => [fact.kind, "by" in fact && fact.by]),
    [["released", "admin"]],
  );
});

test("a message can be released to somebody else", async (t) => {
  const { hub, bench, deps } = await openBench(t);
  const { quarantine } = quarantineWith({});
  const to = toAddress("boss@x.test");
  await releaseHold({ ...deps, quarantine }, "HOLD", { ...BY, to });
  await bench.until(() => bench.spool.list().length === 0);
  assert.deepEqual(hub.messages[0]?.recipients, ["boss@x.test"]);
});

test("malware needs force; what is unknown, gone or deleted is refused", async (t) => {
  const { hub, bench, deps } = await openBench(t);
  const reasonFor = async (change: Partial<Hold>, id = "HOLD", fault = {}) => {
    const { quarantine } = quarantineWith(change, fault);
    const result = await releaseHold({ ...deps, quarantine }, id, BY);
    return result.kind === "refused" ? result.reason : result.kind;
  };
  assert.equal(await reasonFor({ cause: "malware" }), "malware-needs-force");
  assert.equal(await reasonFor({}, "OTHER"), "not-found");
  assert.equal(await reasonFor({ state: "deleted" }), "not-held");
  assert.equal(await reasonFor({}, "HOLD", { bytes: null }), "bytes-gone");
  assert.deepEqual(bench.spool.list(), []);
  const { quarantine } = quarantineWith({ cause: "malware" });
  const forced = await releaseHold({ ...deps, quarantine }, "HOLD", { ...BY, force: true });
  assert.equal(forced.kind, "released");
  await hub.waitForMessages(1);
});

test("when the spool or the index is away the message is held as before", async (t) => {
  const { bench, deps } = await openBench(t);
  const away = new Unavailable("spool", "made by a test");
  const spool = { ...bench.spool, addLeased: () => Promise.reject(away) };
  const first = quarantineWith({});
  const failing = releaseHold({ ...deps, spool, quarantine: first.quarantine }, "HOLD", BY);
  await assert.rejects(failing, Unavailable);
  assert.equal(first.current().state, "held");
  const second = quarantineWith({}, { claim: new Unavailable("quarantine", "late") });
  const late = releaseHold({ ...deps, quarantine: second.quarantine }, "HOLD", BY);
  await assert.rejects(late, Unavailable);
  assert.equal(second.current().state, "held");
  assert.deepEqual(bench.spool.list(), []);
});

test("an old hold has its five days from the release on", async (t) => {
  const { bench, deps } = await openBench(t);
  const { quarantine } = quarantineWith({ receivedAt: 0 } as Partial<Hold>);
  const seen: number[] = [];
  const spool = {
    ...bench.spool,
    addLeased: (...args: Parameters<typeof bench.spool.addLeased>) => {
      seen.push(args[0].receivedAt);
      return bench.spool.addLeased(...args);
    },
  };
  await releaseHold({ ...deps, spool, quarantine }, "HOLD", BY);
  assert.deepEqual(seen, [deps.clock.now()]);
  await bench.until(() => bench.spool.list().length === 0);
});

test("mail for a domain without a route stays held, and is told so", async (t) => {
  const { bench, deps } = await openBench(t);
  const { quarantine, current } = quarantineWith({});
  const to = toAddress("boss@nowhere.test");
  const result = await releaseHold({ ...deps, quarantine }, "HOLD", { ...BY, to });
  assert.deepEqual(result, { kind: "refused", reason: "no-route", domain: "nowhere.test" });
  assert.equal(current().state, "held");
  assert.deepEqual(bench.spool.list(), []);
});

test("only the sender of what was merely undeliverable may be told of a released message", async (t) => {
  const rows = [
    { change: { cause: "undeliverable" }, isTold: true },
    { change: { cause: "undeliverable", senderAuthenticated: false }, isTold: false },
    { change: { cause: "undeliverable" }, to: toAddress("boss@x.test"), isTold: false },
    { change: { cause: "spam" }, isTold: false },
    { change: { cause: "malware" }, isTold: false },
  ] as const;
  for (const { change, isTold, ...to } of rows) {
    const { bench, deps } = await openBench(t);
    const { quarantine } = quarantineWith({ senderAuthenticated: true, ...change });
    const seen: boolean[] = [];
    const spool = {
      ...bench.spool,
      addLeased: (...args: Parameters<typeof bench.spool.addLeased>) => {
        seen.push(args[0].senderAuthenticated);
        return bench.spool.addLeased(...args);
      },
    };
    await releaseHold({ ...deps, spool, quarantine }, "HOLD", { by: "admin", force: true, ...to });
    assert.deepEqual(seen, [isTold], JSON.stringify([change, to]));
    await bench.until(() => bench.spool.list().length === 0);
    await bench.relay.stop(0);
  }
});

test("a bounce after a release shows the header fields as they came", async (t) => {
  const { hub, deps } = await openBench(t, {
    script: ({ line }) => (line.includes("<a@") ? "550 5.1.1 unknown" : undefined),
  });
  const { quarantine } = quarantineWith({
    cause: "undeliverable",
    senderAuthenticated: true,
    fieldOrigins: [{ name: "Subject", nth: 0, rawValue: " as it came" }],
  });
  await releaseHold({ ...deps, quarantine }, "HOLD", BY);
  const [bounce] = await hub.waitForMessages(1);
  assert.match(bounce?.data.toString() ?? "", /^Subject: as it came\r$/m);
});
