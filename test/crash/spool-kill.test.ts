import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { Spool, SpoolLease } from "../../src/spool/spool.ts";
import { readAll } from "../support/bytes-source.ts";

const WRITER = join(import.meta.dirname, "spool-writer.ts");
const MESSAGE = Buffer.alloc(150_000, "promised\r\n");

function run(folder: string, dieAt: number) {
  const child = spawnSync(process.execPath, [WRITER, folder, String(dieAt)], { encoding: "utf8" });
  const words = child.stdout.split("\n").map((line) => line.split(" "));
  const said = (verb: string) => words.filter(([first]) => first === verb);
  return {
    signal: child.signal,
    stderr: child.stderr,
    operations: Number(said("operations")[0]?.[1]),
    promised: said("promised").map(([, id = ""]) => id),
    ended: said("ended").map(([, id, recipient]) => `${id} ${recipient}`),
    removing: said("removing").map(([, id = ""]) => id),
    ordered: said("ordered").map(([, id = ""]) => id),
    unordered: said("unordered").map(([, id = ""]) => id),
    held: said("held").map(([, id = ""]) => id),
    releasing: said("releasing").map(([, id = ""]) => id),
    released: said("released").map(([, id = ""]) => id),
    removed: said("removed").map(([, id = ""]) => id),
  };
}

/** Those that were under way are leased one at a time. */
async function leaseAll(spool: Spool): Promise<readonly SpoolLease[]> {
  const leases: SpoolLease[] = [];
  for (let now = Date.now(); leases.length < spool.list().length; now += 60_000) {
    const more = await spool.leaseDue(now, 99);
    if (more.length === 0) break;
    leases.push(...more);
  }
  return leases;
}

test("killed before any touch of the disk, the spool loses nothing that was promised", async () => {
  const root = mkdtempSync(join(tmpdir(), "postern-crash-"));
  try {
    const { operations, promised, removed, stderr } = run(join(root, "whole"), 0);
    assert.ok(operations > 30, stderr);
    assert.deepEqual([promised.length, removed.length], [3, 3]);
    for (let dieAt = 1; dieAt <= operations; dieAt++) {
      const folder = join(root, String(dieAt));
      const before = run(folder, dieAt);
      assert.equal(before.signal, "SIGKILL", `at ${dieAt}: ${before.stderr}`);
      const spool = createDiskSpool({
        folder,
        clock: createSystemClock(),
        log: createSilentLog(),
      });
      const report = await spool.recover();
      assert.deepEqual(report.corrupt, [], `at ${dieAt}`);
      assert.deepEqual(readdirSync(join(folder, "incoming")), [], `at ${dieAt}`);
      const leases = await leaseAll(spool);
      const owed = new Map(leases.map((lease) => [lease.item.id, lease]));
      const held = new Set(readdirSync(join(folder, "held")));
      for (const id of before.promised) {
        const isOver = before.removing.includes(id);
        assert.ok(owed.has(id) || held.has(id) || isOver, `at ${dieAt}: ${id} is lost`);
        const mustBeHeld = before.held.includes(id) && !before.releasing.includes(id);
        const isOrdered = before.ordered.includes(id);
        assert.ok(isOver || !(isOrdered && owed.has(id)), `at ${dieAt}: ${id} lost its order`);
        const isFree = before.unordered.includes(id);
        assert.ok(!(isFree && held.has(id)), `at ${dieAt}: ${id} is held against an order`);
        assert.ok(!(mustBeHeld && owed.has(id)), `at ${dieAt}: ${id} is no longer held`);
        assert.ok(!(before.released.includes(id) && held.has(id)), `at ${dieAt}: ${id} is held`);
        assert.ok(!(before.removed.includes(id) && owed.has(id)), `at ${dieAt}: ${id} is back`);
      }
      for (const lease of leases) {
        assert.deepEqual(await readAll(lease.source), MESSAGE);
        for (const { address } of lease.item.envelope.recipients) {
          const delivered = before.ended.includes(`${lease.item.id} ${address.spoken}`);
          assert.ok(!delivered, `at ${dieAt}: ${address.spoken} gets it twice`);
        }
      }
      rmSync(folder, { recursive: true });
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
