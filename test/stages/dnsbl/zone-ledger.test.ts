import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createLog } from "../../../src/base/log.ts";
import { createMetrics } from "../../../src/base/metrics.ts";
import { openFileZoneLedger } from "../../../src/stages/dnsbl/file-zone-ledger.ts";
import type { BreakerRules } from "../../../src/stages/dnsbl/hit-rate-breaker.ts";
import type { ZoneCounts, ZoneLedger } from "../../../src/stages/dnsbl/zone-ledger.ts";
import { createZoneTally, type ZoneSaid } from "../../../src/stages/dnsbl/zone-tally.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { waitUntil } from "../../support/wait-until.ts";

const RULES: BreakerRules = { factor: 5, sample: 100, least: 20, usual: 0.5 };
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function counts(label: string, changes: Partial<ZoneCounts>): ZoneCounts {
  return {
    label,
    asked: 0,
    listed: 0,
    lone: 0,
    failed: 0,
    totalMs: 0,
    slowestMs: 0,
    shared: {},
    standing: "healthy",
    rules: RULES,
    ...changes,
  };
}

async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "postern-zones-"));
  const path = join(folder, "dnsbl-zones.json");
  const clock = createFakeClock(Date.UTC(2026, 10, 25));
  const lines: string[] = [];
  const metrics = createMetrics();
  const log = createLog({ level: "info", format: "json", write: (line) => void lines.push(line) });
  const open = () => openFileZoneLedger({ path, clock, log, metrics: createMetrics() });
  const ledger = await openFileZoneLedger({ path, clock, log, metrics });
  t.after(async () => {
    await ledger.close();
    await rm(folder, { recursive: true, force: true });
  });
  /** Some minutes with 30 clients each, of which so many are listed. */
  const pass = async (minutes: number, lone: number, to: ZoneLedger = ledger) => {
    let answer = await to.report([]);
    for (let i = 0; i < minutes; i++) {
      await clock.advance(MINUTE);
      answer = await to.report([counts("bl.test", { asked: 30, listed: lone, lone })]);
    }
    return answer.map(({ label }) => label);
  };
  const told = (event: string) => lines.filter((line) => line.includes(`"${event}"`)).length;
  return { ledger, path, clock, metrics, pass, told, open };
}

describe("the ledger of DNS lists", () => {
  it("learns what is usual over days, demotes a list that jumps, once, and believes it again", async (t) => {
    const { ledger, clock, metrics, pass, told } = await setUp(t);
    for (let day = 0; day < 3; day++) {
      assert.deepEqual(await pass(5, 3), []);
      await clock.advance(DAY);
    }
    assert.equal(Math.round((ledger.stats()[0]?.usual ?? 0) * 100), 10);
    assert.deepEqual(await pass(3, 30), ["bl.test"]);
    assert.equal(told("dnsbl-zone-demoted"), 1);
    assert.match(
      ledger.stats()[0]?.demoted ?? "",
      /alone lists \d+ % of \d+ clients, 10 % is usual/,
    );
    const exposed = async () => (await metrics.expose()).text;
    assert.match(await exposed(), /postern_dnsbl_demotions_total\{zone="bl\.test"\} 1/);
    assert.match(await exposed(), /postern_dnsbl_zones_demoted 1/);
    assert.deepEqual(await pass(3, 3), []);
    assert.equal(told("dnsbl-zone-trusted-again"), 1);
    assert.match(await exposed(), /postern_dnsbl_zones_demoted 0/);
    assert.equal(Math.round((ledger.stats()[0]?.usual ?? 0) * 100), 10);
  });

  it("does not forget over a restart, and not for long over a crash", async (t) => {
    const { ledger, path, pass, open, told } = await setUp(t);
    await pass(5, 3);
    await pass(2, 30);
    // The file, as a crash leaves it.
    await waitUntil(
      () => "the demotion is not written down",
      async () => (await readFile(path, "utf8").catch(() => "")).includes("is usual") || undefined,
    );
    await ledger.close();
    const again = await open();
    assert.deepEqual(
      (await again.report([])).map(({ label }) => label),
      ["bl.test"],
    );
    assert.deepEqual(await pass(1, 30, again), ["bl.test"]);
    assert.equal(told("dnsbl-zone-demoted"), 1);
    assert.equal(again.stats()[0]?.asked, ledger.stats()[0]!.asked + 30);
    await again.close();
  });

  it("begins anew when its file is damaged", async (t) => {
    const { path, open, told } = await setUp(t);
    await writeFile(path, '{"days": {"x": 1}}');
    const ledger = await open();
    assert.deepEqual(ledger.stats(), []);
    assert.equal(told("dnsbl-zones-unreadable"), 1);
    await ledger.report([counts("__proto__", { asked: 1 }), counts("bl.test", { asked: 1 })]);
    await ledger.close();
    assert.match(await readFile(path, "utf8"), /bl\.test/);
    assert.equal(({} as { asked?: number }).asked, undefined);
  });

  it("lets go of a list when the breaker is turned off", async (t) => {
    const { ledger, pass } = await setUp(t);
    await pass(5, 3);
    assert.deepEqual(await pass(2, 30), ["bl.test"]);
    assert.deepEqual(await ledger.report([counts("bl.test", { asked: 1, rules: null })]), []);
  });

  it("forgets days that are a week old", async (t) => {
    const { ledger, clock, pass } = await setUp(t);
    for (let day = 0; day < 10; day++) {
      await pass(1, 3);
      await clock.advance(DAY);
    }
    assert.equal(ledger.stats()[0]?.asked, 8 * 30);
  });

  it("adds up answers, time, and what lists have in common", async (t) => {
    const { ledger } = await setUp(t);
    const one = counts("a.test", { asked: 4, listed: 3, lone: 1, failed: 1, totalMs: 50 });
    await ledger.report([{ ...one, slowestMs: 30, shared: { "b.test": 2 } }]);
    await ledger.report([{ ...one, slowestMs: 20, shared: { "b.test": 1, "c.test": 1 } }]);
    const [stats] = ledger.stats();
    assert.deepEqual(stats, {
      zone: "a.test",
      asked: 8,
      listed: 6,
      lone: 2,
      failed: 2,
      meanMs: 10,
      slowestMs: 30,
      shared: { "b.test": 3, "c.test": 1 },
      usual: null,
      standing: "healthy",
      demoted: null,
    });
  });
});

describe("the tally of one process", () => {
  const said = (label: string, what: ZoneSaid["said"]): ZoneSaid => ({
    label,
    said: what,
    ms: 5,
    standing: "healthy",
  });

  async function setUpTally(answer: ZoneLedger["report"] = async () => []) {
    const clock = createFakeClock();
    const told: ZoneCounts[] = [];
    const lines: string[] = [];
    const log = createLog({
      level: "info",
      format: "json",
      write: (line) => void lines.push(line),
    });
    const ledger: ZoneLedger = {
      report(all) {
        told.push(...all);
        return answer(all);
      },
    };
    const tally = createZoneTally(ledger, { clock, log });
    await clock.advance(0);
    return { clock, told, tally, lines };
  }

  it("tells once a second, with a client counted once a minute", async () => {
    const { clock, told, tally } = await setUpTally();
    for (let i = 0; i < 5; i++) tally.count("192.0.2.1", [said("a.test", "bad")], RULES);
    tally.count("192.0.2.2", [said("a.test", "clean")], RULES);
    tally.count("192.0.2.3", [said("a.test", "nothing")], RULES);
    assert.equal(told.length, 0);
    await clock.advance(1000);
    assert.deepEqual(told, [
      counts("a.test", { asked: 2, listed: 1, lone: 1, failed: 1, totalMs: 15, slowestMs: 5 }),
    ]);
    await clock.advance(MINUTE);
    tally.count("192.0.2.1", [said("a.test", "bad")], RULES);
    await clock.advance(1000);
    assert.equal(told.length, 2);
    tally.close();
    assert.equal(clock.pendingTimers(), 0);
  });

  it("knows a lone hit from one that another list of its kind confirms", async () => {
    const { clock, told, tally } = await setUpTally();
    const all = [said("a.test", "bad"), said("b.test", "bad"), said("good.test", "good")];
    tally.count("192.0.2.1", all, RULES);
    await clock.advance(1000);
    assert.deepEqual(
      told.map(({ label, lone, shared }) => [label, lone, shared]),
      [
        ["a.test", 0, { "b.test": 1 }],
        ["b.test", 0, { "a.test": 1 }],
        ["good.test", 1, {}],
      ],
    );
    tally.close();
  });

  it("heeds what the ledger knew before, and what it said last while it is away", async () => {
    let isAway = false;
    const { clock, tally, lines } = await setUpTally(async () => {
      if (isAway) throw new Error("gone");
      return [{ label: "a.test", reason: "it lists everybody" }];
    });
    assert.equal(tally.demoted("a.test"), "it lists everybody");
    assert.equal(tally.demoted("b.test"), null);
    isAway = true;
    tally.count("192.0.2.1", [said("a.test", "bad")], RULES);
    await clock.advance(1000);
    assert.equal(tally.demoted("a.test"), "it lists everybody");
    assert.match(lines.join(), /dnsbl-zones-not-told/);
    tally.close();
  });
});
