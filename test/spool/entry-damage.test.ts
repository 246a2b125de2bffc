import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createLog, createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { createSpoolIo, type SpoolIo } from "../../src/spool/spool-io.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { toSpoolItem } from "../support/spool-item.ts";

const clock = createFakeClock();
const TEXT = Buffer.from("Subject: x\r\n\r\nbody\r\n");
const STATES = ["due", "active", "held", "corrupt"] as const;

/** Without fsync: what a power failure leaves is made here by hand. */
const disk = createSpoolIo();
const io: SpoolIo = {
  ...disk,
  syncFolder: async () => {},
  create: async (path) => ({ ...(await disk.create(path)), sync: async () => {} }),
};

async function openSpool(folder: string, write: (line: string) => void = () => {}): Promise<Spool> {
  const log = createLog({ level: "error", format: "json", write });
  const spool = createDiskSpool({ folder, clock, log, io });
  await spool.recover();
  await spool.desk.allRead();
  return spool;
}

/** The file of an entry that has every kind of record: attempt, crash, hold, release, hold. */
async function makeEntry(folder: string): Promise<{ id: string; whole: Buffer }> {
  const spool = createDiskSpool({ folder, clock, log: createSilentLog(), io });
  await spool.recover();
  const { id } = await spool.add(toSpoolItem(clock, ["a@x", "b@x"]), toBytesSource(TEXT));
  const [lease] = await spool.leaseDue(clock.now(), 1);
  const recipients = lease!.item.envelope.recipients.slice(1);
  await lease!.retry({ recipients, dueAt: 1, reason: "r" });
  await spool.leaseDue(clock.now(), 1);
  const next = await openSpool(folder);
  const at = clock.now();
  await next.desk.hold(id, { by: "admin", reason: "", at });
  await next.desk.release(id, { at });
  await next.desk.hold(id, { by: "admin", reason: "again", at });
  return { id, whole: readFileSync(join(folder, "held", id)) };
}

function damagesOf(whole: Buffer): readonly Buffer[] {
  const cuts = Array.from({ length: whole.length }, (_, at) => whole.subarray(0, at));
  const flips = Array.from({ length: whole.length }, (_, at) => {
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    return flipped;
  });
  return [...cuts, ...flips];
}

test("no cut and no flipped bit of any record is delivered damaged, or lost without a word", async () => {
  const folder = mkdtempSync(join(tmpdir(), "postern-damage-"));
  try {
    const { id, whole } = await makeEntry(folder);
    const other = readdirSync(join(folder, "held")).length;
    assert.equal(other, 1);
    for (const state of ["due", "held", "active"] as const) {
      // Cuts and flips of every octet in the folder that means most, a sample in the others.
      const damages = damagesOf(whole).filter((_, nth) => state === "due" || nth % 5 === 0);
      for (const damaged of damages) await tryDamage(folder, id, state, damaged);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function tryDamage(folder: string, id: string, state: string, damaged: Buffer) {
  for (const one of STATES)
    for (const name of readdirSync(join(folder, one))) rmSync(join(folder, one, name));
  writeFileSync(join(folder, state, id), damaged);
  const lines: string[] = [];
  const spool = await openSpool(folder, (line) => lines.push(line));
  const good = await spool.add(toSpoolItem(clock, ["good@x"]), toBytesSource(TEXT));
  const leases = await spool.leaseDue(clock.now(), 9);
  assert.ok(
    leases.some(({ item }) => item.id === good.id),
    "the others go on",
  );
  const mine = leases.find(({ item }) => item.id === id);
  const about = `${state}, ${damaged.length} octets`;
  if (mine) {
    assert.deepEqual(await readAll(mine.source), TEXT, about);
    const people = mine.item.envelope.recipients.map(({ address }) => address.spoken);
    assert.ok(people.includes("b@x"), `${about}: who is owed the message`);
  } else if (state !== "due" && readdirSync(join(folder, "held")).includes(id)) {
    // In active/ its last record is an order to hold it.
    const { id: held } = (await spool.desk.read(id))!.item;
    assert.equal(held, id);
  } else {
    assert.deepEqual(readdirSync(join(folder, "corrupt")), [id], about);
    assert.equal(spool.stats().corrupt, 1);
    assert.match(lines.join(), /spool-entry-corrupt/);
  }
  await spool.close();
}
