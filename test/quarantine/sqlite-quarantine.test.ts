import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog, type Log } from "../../src/base/log.ts";
import type { Quarantine } from "../../src/quarantine/quarantine.ts";
import { createSqliteQuarantine } from "../../src/quarantine/sqlite-quarantine.ts";
import { readAll, toBytesSource } from "../support/bytes-source.ts";
import { testHold } from "../support/test-holds.ts";

const clock = createSystemClock();
let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-quarantine-"));
});
after(() => rm(root, { recursive: true }));

async function withQuarantine(
  folder: string,
  use: (quarantine: Quarantine, events: string[]) => Promise<void>,
): Promise<void> {
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { ...createSilentLog(), info: note, warn: note, error: note };
  const quarantine = createSqliteQuarantine({ folder, clock, log });
  try {
    await use(quarantine, events);
  } finally {
    await quarantine.close();
  }
}

describe("sqlite quarantine, beyond what every quarantine does", () => {
  test("folder and files are readable by the owner only, names tell nothing", async () => {
    const folder = join(root, "modes");
    await withQuarantine(folder, async (quarantine) => {
      const { id } = await quarantine.hold(testHold(1), toBytesSource("x"));
      assert.equal((await stat(folder)).mode & 0o777, 0o700);
      assert.equal((await stat(join(folder, "messages"))).mode & 0o777, 0o700);
      assert.deepEqual(await readdir(join(folder, "messages")), [id]);
      assert.equal((await stat(join(folder, "messages", id))).mode & 0o777, 0o600);
      await quarantine.delete(id, "x");
      assert.deepEqual(await readdir(join(folder, "messages")), []);
    });
  });

  test("at start drafts and bytes that nobody promised go, promised ones stay", async () => {
    const folder = join(root, "strays");
    const messages = join(folder, "messages");
    let kept = "";
    await withQuarantine(folder, async (q) => {
      kept = (await q.hold(testHold(1), toBytesSource("kept"))).id;
    });
    await writeFile(join(messages, "0123456789ABCDEF"), "stray");
    await writeFile(join(messages, "0123456789ABCDEG.draft"), "half");
    await writeFile(join(messages, "README"), "not ours");
    await withQuarantine(folder, async (q, events) => {
      assert.equal((await q.stats()).held, 1);
      assert.deepEqual((await readdir(messages)).sort(), [kept, "README"].sort());
      assert.deepEqual(events, ["quarantine-strays-removed"]);
    });
  });

  test("when the index was lost, the bytes are set aside and never removed", async () => {
    const folder = join(root, "index-lost");
    let id = "";
    await withQuarantine(folder, async (q) => {
      id = (await q.hold(testHold(1), toBytesSource("precious"))).id;
    });
    for (const name of await readdir(folder))
      if (name.startsWith("quarantine.db")) await rm(join(folder, name));
    await withQuarantine(folder, async (q, events) => {
      assert.equal(await q.find(id), null);
      assert.deepEqual(events, ["quarantine-index-lost"]);
      assert.deepEqual(await readdir(join(folder, "unindexed")), [id]);
    });
    await withQuarantine(folder, async (q, events) => {
      assert.equal((await q.stats()).held, 0);
      assert.deepEqual(events, []);
    });
  });

  test("an entry whose bytes are gone or cut short is reported and opens as nothing", async () => {
    const folder = join(root, "bytes-gone");
    const ids: string[] = [];
    await withQuarantine(folder, async (q) => {
      for (const n of [1, 2]) ids.push((await q.hold(testHold(n), toBytesSource("content"))).id);
    });
    await rm(join(folder, "messages", ids[0]!));
    await truncate(join(folder, "messages", ids[1]!), 3);
    await withQuarantine(folder, async (q, events) => {
      assert.equal(await q.open(ids[0]!), null);
      assert.equal(await q.open(ids[1]!), null);
      assert.deepEqual(events, Array(3).fill("quarantine-bytes-gone"));
    });
  });

  test("an entry whose bytes are others than those held cannot be read to its end", async () => {
    const folder = join(root, "bytes-changed");
    await withQuarantine(folder, async (q) => {
      const { id } = await q.hold(testHold(1), toBytesSource("content"));
      await writeFile(join(folder, "messages", id), "CONTENT");
      const source = await q.open(id);
      assert.ok(source);
      await assert.rejects(readAll(source), /^Unavailable: quarantine: .*damaged/);
    });
  });

  test("a broken index refuses every hold, keeps no bytes, and is tried again", async () => {
    const folder = join(root, "broken");
    await mkdir(folder, { mode: 0o700 });
    const file = join(folder, "quarantine.db");
    await writeFile(file, "rubbish ".repeat(1000));
    await withQuarantine(folder, async (q) => {
      const failures = await Promise.allSettled(
        [1, 2].map((n) => q.hold(testHold(n), toBytesSource("x"))),
      );
      for (const failure of failures) {
        assert.equal(failure.status, "rejected");
        assert.equal((failure.reason as Error).name, "Unavailable");
      }
      assert.deepEqual(await readdir(join(folder, "messages")), []);
      await rm(file);
      assert.equal((await q.hold(testHold(1), toBytesSource("x"))).state, "held");
    });
  });

  test("an index that breaks under way leaves no bytes of the hold it refused", async () => {
    const folder = join(root, "breaks");
    await withQuarantine(folder, async (q) => {
      await q.hold(testHold(1), toBytesSource("x"));
      for (const name of await readdir(folder))
        if (name.startsWith("quarantine.db")) await rm(join(folder, name));
      await mkdir(join(folder, "quarantine.db"));
      await assert.rejects(q.hold(testHold(2), toBytesSource("y")), { name: "Unavailable" });
      assert.equal((await readdir(join(folder, "messages"))).length, 1);
    });
  });

  test("a message that is deleted while it is read is read to its end", async () => {
    const content = "line\r\n".repeat(100_000);
    await withQuarantine(join(root, "reading"), async (q) => {
      const { id } = await q.hold(testHold(1), toBytesSource(content));
      const source = await q.open(id);
      const chunks: Buffer[] = [];
      for await (const chunk of source!.read()) {
        if (chunks.length === 0) await q.delete(id, "x");
        assert.ok(chunk.length <= 65_536);
        chunks.push(chunk);
      }
      assert.equal(Buffer.concat(chunks).toString(), content);
    });
  });
});

describe("a quarantine that is killed while it holds", () => {
  for (const promised of [1, 7, 23]) {
    test(`what was promised is there whole, the rest not at all, after ${promised} holds`, async () => {
      const folder = join(root, `killed-${promised}`);
      const script = fileURLToPath(new URL("../support/hold-until-killed.ts", import.meta.url));
      const child = spawn(process.execPath, [script, folder], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const lines: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(line);
        if (lines.length === promised) child.kill("SIGKILL");
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      assert.ok(lines.length >= promised);
      await withQuarantine(folder, async (q, events) => {
        for (const line of lines) {
          const [id, sha256] = line.split(" ");
          const bytes = await readAll((await q.open(id!))!);
          assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
        }
        const held = await q.list({ limit: 1000 });
        const files = await readdir(join(folder, "messages"));
        assert.deepEqual(held.map(({ id }) => id).sort(), files.sort());
        assert.equal(events.includes("quarantine-bytes-gone"), false);
      });
    });
  }
});

const noMount =
  process.getuid?.() === 0 ? false : "SKIPPED: a full disk needs root to mount a tmpfs";
describe("a quarantine on a full disk", { skip: noMount }, () => {
  let disk = "";
  before(async () => {
    disk = await mkdtemp(join(root, "disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
  });
  after(() => execFileSync("umount", [disk]));

  test("a hold that does not fit is refused, leaves nothing, and the next that fits is held", async () => {
    const folder = join(disk, "quarantine");
    await withQuarantine(folder, async (q) => {
      const kept = await q.hold(testHold(1), toBytesSource("small"));
      for (let i = 0; i < 5; i++)
        await assert.rejects(q.hold(testHold(2), toBytesSource(Buffer.alloc(2_000_000, 65))), {
          name: "Unavailable",
          dependency: "quarantine",
          message: /ENOSPC/,
        });
      assert.deepEqual(await readdir(join(folder, "messages")), [kept.id]);
      await writeFile(join(disk, "filler"), Buffer.alloc(900_000)).catch(() => {});
      const results = [];
      for (let i = 0; i < 60; i++)
        results.push(
          await q.hold(testHold(i), toBytesSource(Buffer.alloc(8192))).then(
            () => true,
            () => false,
          ),
        );
      assert.ok(results.includes(false));
      await rm(join(disk, "filler"));
      await q.hold(testHold(3), toBytesSource("fits"));
      assert.equal((await q.stats()).held, 2 + results.filter(Boolean).length);
    });
    await withQuarantine(folder, async (q) => {
      const held = await q.list({ limit: 1000 });
      const files = await readdir(join(folder, "messages"));
      assert.deepEqual(held.map(({ id }) => id).sort(), files.sort());
    });
  });
});
