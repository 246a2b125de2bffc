import assert from "node:assert/strict";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type Clock, createSystemClock } from "../../src/base/clock.ts";
import { PolicyError } from "../../src/base/errors.ts";
import { loadPolicy } from "../../src/policy/load-policy.ts";
import type { PolicySnapshot } from "../../src/policy/snapshot.ts";
import { policyOnDisk } from "./policy-on-disk.ts";
import { createTestCatalog } from "./test-catalog.ts";

/** The number of the edit that each file was last seen with. */
interface Seen {
  readonly first: number | null;
  readonly last: number;
}

// Waits a fiftieth of the time, so that a storm of edits takes seconds.
const system = createSystemClock();
const clock: Clock = { ...system, after: (ms, fn) => system.after(ms / 50, fn) };

const first = (n: number) => `thresholds: { quarantine: ${n} }\n# ${"x".repeat(n * 10)}\n`;
const last = (n: number) => `connections: { perClient: ${n} }\n`;

function seenIn({ plans, limits }: PolicySnapshot<object>): Seen {
  return { first: plans.inbound.scoring.thresholds.quarantine, last: limits.connections.perClient };
}

/** Loads again and again while `edit` works; the snapshots that came about. */
async function loadDuring(folder: string, edit: Promise<void>): Promise<readonly Seen[]> {
  const snapshots: Seen[] = [];
  let running = true;
  const done = edit.finally(() => {
    running = false;
  });
  while (running) {
    try {
      snapshots.push(seenIn(await loadPolicy({ folder, catalog: createTestCatalog(), clock })));
    } catch (error) {
      // A file caught half-written, or a storm without a pause: nothing comes into force.
      if (!(error instanceof PolicyError)) throw error;
    }
  }
  await done;
  return snapshots;
}

async function write(folder: string, name: string, text: string, byRename: boolean) {
  const path = join(folder, name);
  if (!byRename) return writeFile(path, text);
  await writeFile(`${path}.new`, text);
  return rename(`${path}.new`, path);
}

test("files of two moments never make one policy, however they are saved", async (context) => {
  const edits = fc.array(fc.record({ byRename: fc.boolean(), turns: fc.nat(20) }), {
    minLength: 5,
    maxLength: 25,
  });
  await fc.assert(
    fc.asyncProperty(edits, async (strokes) => {
      const folder = await policyOnDisk(context, {
        "pipeline.yaml": first(1),
        "limits.yaml": last(1),
      });
      const edit = async () => {
        for (const [index, { byRename, turns }] of strokes.entries()) {
          await write(folder, "pipeline.yaml", first(index + 2), byRename);
          await write(folder, "limits.yaml", last(index + 2), byRename);
          for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        }
      };
      for (const seen of await loadDuring(folder, edit())) {
        // The first file is always saved first: it is level with the last, or one ahead.
        const ahead = (seen.first ?? Number.NaN) - seen.last;
        assert.ok(ahead === 0 || ahead === 1, JSON.stringify(seen));
      }
      const snapshot = await loadPolicy({ folder, catalog: createTestCatalog(), clock });
      const end = strokes.length + 1;
      assert.deepEqual(seenIn(snapshot), { first: end, last: end });
    }),
    { numRuns: 15 },
  );
});

test("a folder switched by a symbolic link is read from one side only", async (context) => {
  const around = await policyOnDisk(context, {});
  const folder = join(around, "policies");
  const switches = 60;
  for (let n = 1; n <= switches; n++) {
    await mkdir(join(around, `v${n}`));
    await writeFile(join(around, `v${n}`, "pipeline.yaml"), first(n));
    await writeFile(join(around, `v${n}`, "limits.yaml"), last(n));
  }
  await symlink("v1", folder);
  const edit = async () => {
    for (let n = 2; n <= switches; n++) {
      await symlink(`v${n}`, `${folder}.new`);
      await rename(`${folder}.new`, folder);
      for (let turn = 0; turn < n % 13; turn++) await new Promise(setImmediate);
    }
  };
  for (const seen of await loadDuring(folder, edit())) assert.equal(seen.first, seen.last);
  const snapshot = await loadPolicy({ folder, catalog: createTestCatalog(), clock });
  assert.deepEqual(seenIn(snapshot), { first: switches, last: switches });
});
