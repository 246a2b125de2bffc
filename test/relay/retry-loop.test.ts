import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import type { Reach } from "../../src/relay/destination-gate.ts";
import { createRetryLoop, type RetryLoopOptions } from "../../src/relay/retry-loop.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { SpoolLease } from "../../src/spool/spool.ts";
import { afterwards } from "../support/afterwards.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { toSpoolItem } from "../support/spool-item.ts";
import { waitUntil } from "../support/wait-until.ts";

const SOURCE = toBytesSource("Subject: x\r\n\r\nbody\r\n");
const MINUTE = 60_000;
const log = createSilentLog();

async function openLoop(
  t: TestContext,
  work: RetryLoopOptions["work"],
  options: Partial<RetryLoopOptions> = {},
) {
  const clock = createFakeClock();
  const folder = mkdtempSync(join(tmpdir(), "postern-loop-"));
  afterwards(t, () => rmSync(folder, { recursive: true, force: true }));
  const spool = createDiskSpool({ folder, clock, log });
  await spool.recover();
  const loop = createRetryLoop({ spool, clock, log, work, ...options });
  afterwards(t, () => loop.stop());
  const add = async (count: number, domain: string, dueAt = clock.now()) => {
    for (let i = 0; i < count; i++)
      await spool.add(toSpoolItem(clock, [`${i}@${domain}`], { dueAt }), SOURCE);
  };
  const waits = (domain: string) =>
    spool.list().filter(({ known }) => known?.domains.includes(domain)).length;
  const until = (what: string, condition: () => boolean) =>
    waitUntil(
      () => what,
      async () => {
        await clock.advance(0);
        return condition() || undefined;
      },
    );
  return { clock, spool, loop, add, waits, until };
}

const domainOf = ({ item }: SpoolLease) => item.envelope.recipients[0]?.address.domain ?? "";
const reached = (lease: SpoolLease): Reach => ({ reached: [domainOf(lease)], unreached: [] });
const unreached = (lease: SpoolLease): Reach => ({ reached: [], unreached: [domainOf(lease)] });

async function putOff(lease: SpoolLease, dueAt: number, isUnreached: boolean): Promise<Reach> {
  const { recipients } = lease.item.envelope;
  await lease.retry({ recipients, dueAt, reason: "made by a test", isUnreached });
  return isUnreached ? unreached(lease) : reached(lease);
}

test("a destination that takes for ever leaves places for the others", async (t) => {
  const ends = Promise.withResolvers<void>();
  const { loop, add, waits, spool, until } = await openLoop(t, async (lease) => {
    if (domainOf(lease) === "slow.test") await ends.promise;
    await lease.remove();
    return reached(lease);
  });
  await add(60, "slow.test");
  await add(30, "quick.test");
  loop.start();
  await until("quick mail is stuck", () => waits("quick.test") === 0);
  assert.equal(spool.stats().active, 20);
  ends.resolve();
  await until("slow mail is stuck", () => spool.list().length === 0);
});

test("a destination that is away costs one attempt at a time", async (t) => {
  let underWay = 0;
  let most = 0;
  const { loop, add, clock, until } = await openLoop(t, async (lease) => {
    underWay += 1;
    most = Math.max(most, tries > 20 ? underWay : 0);
    tries += 1;
    await new Promise((resolve) => setImmediate(resolve));
    underWay -= 1;
    return putOff(lease, clock.now() + 5 * MINUTE, true);
  });
  let tries = 0;
  await add(60, "away.test");
  loop.start();
  await until("not all were tried", () => tries === 60);
  assert.equal(most, 1);
});

test("when a destination answers, what could not reach it follows at once, and nothing else", async (t) => {
  let isAway = true;
  const { loop, add, clock, spool, waits, until } = await openLoop(t, async (lease) => {
    const domain = domainOf(lease);
    if (domain === "grey.test") return putOff(lease, clock.now() + 30 * MINUTE, false);
    if (isAway || domain === "other.test") return putOff(lease, clock.now() + 30 * MINUTE, true);
    await lease.remove();
    return reached(lease);
  });
  await add(10, "away.test");
  await add(3, "grey.test");
  await add(3, "other.test");
  loop.start();
  await until("not all were tried", () => (spool.nextDueAt() ?? 0) > clock.now());
  isAway = false;
  await add(1, "away.test");
  loop.wake();
  await until("mail for a hub that is back waits", () => waits("away.test") === 0);
  assert.deepEqual([waits("grey.test"), waits("other.test")], [3, 3]);
  assert.equal(spool.nextDueAt(), clock.now() + 30 * MINUTE);
});

test("a destination that rests is not asked, and asked when it has rested", async (t) => {
  let restsUntil: number | null = null;
  const tried: string[] = [];
  const { loop, add, clock, until } = await openLoop(
    t,
    async (lease) => {
      tried.push(domainOf(lease));
      await lease.remove();
      return reached(lease);
    },
    { restsUntil: (destination) => (destination === "rests.test" ? restsUntil : null) },
  );
  restsUntil = clock.now() + MINUTE;
  await add(5, "rests.test");
  await add(2, "awake.test");
  loop.start();
  await until("nothing was tried", () => tried.length === 2);
  assert.deepEqual(tried, ["awake.test", "awake.test"]);
  restsUntil = null;
  await clock.advance(MINUTE);
  await until("nothing was tried after the rest", () => tried.length === 7);
});

test("work that fails gives its place back", async (t) => {
  let tries = 0;
  const { loop, add, until } = await openLoop(t, async () => {
    tries += 1;
    throw new Error("made by a test");
  });
  await add(50, "x.test");
  loop.start();
  await until("places were lost", () => tries === 50);
});
