import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import { createDiskSpool } from "../../src/spool/disk-spool.ts";
import type { Spool, SpoolLease } from "../../src/spool/spool.ts";
import { createSpoolIo, type SpoolIo } from "../../src/spool/spool-io.ts";
import { afterwards } from "./afterwards.ts";
import { createFakeClock } from "./fake-clock.ts";

export const clock = createFakeClock();
export const TEXT = Buffer.from('Subject: x\r\n\r\nbody \xff\n{"no": "record"}\n', "latin1");

export function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "postern-spool-"));
  afterwards(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function openSpool(folder: string, io: SpoolIo = createSpoolIo()): Promise<Spool> {
  const spool = createDiskSpool({ folder, clock, log: createSilentLog(), io });
  await spool.recover();
  return spool;
}

export async function leaseOne(spool: Spool): Promise<SpoolLease> {
  const [lease] = await spool.leaseDue(clock.now(), 1);
  assert.ok(lease, "something is due");
  return lease;
}

export function filesIn(folder: string): Record<string, number> {
  const states = ["incoming", "due", "active", "corrupt"];
  return Object.fromEntries(states.map((s) => [s, readdirSync(join(folder, s)).length]));
}

export function theFile(folder: string, state: string): string {
  const [name] = readdirSync(join(folder, state));
  assert.ok(name);
  return join(folder, state, name);
}
