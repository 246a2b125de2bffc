import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSqliteWorker, type SqliteWorker } from "../../src/base/sqlite-worker.ts";
import type { ProbeOperations } from "../support/probe-store.ts";

let root = "";
before(async () => {
  root = await mkdtemp(join(tmpdir(), "postern-sqlite-"));
});
after(() => rm(root, { recursive: true }));

let files = 0;
async function withWorker(
  use: (worker: SqliteWorker<ProbeOperations>, file: string) => Promise<void>,
  options: { readonly file?: string; readonly limitMs?: number; readonly thread?: URL } = {},
): Promise<void> {
  const file = options.file ?? join(root, `${files++}`, "probe.db");
  const worker = createSqliteWorker<ProbeOperations>({
    dependency: "probe",
    durable: true,
    thread: new URL("../support/probe-thread.ts", import.meta.url),
    clock: createSystemClock(),
    limitMs: 20_000,
    endWhenLate: true,
    ...options,
    file,
  });
  try {
    await use(worker, file);
  } finally {
    await worker.close();
  }
}

describe("sqlite worker", () => {
  test("the file is made at the first call and calls run in order", async () => {
    await withWorker(async (worker, file) => {
      assert.equal(existsSync(file), false);
      const answers = await Promise.all([1, 2, 3].map((n) => worker.call("add", n)));
      assert.deepEqual(answers, [1, 2, 3]);
    });
  });

  test("a file that others could read is closed to them, and so is what SQLite puts beside it", async () => {
    const file = join(root, "open.db");
    await writeFile(file, "");
    await chmod(file, 0o644);
    await withWorker(
      async (worker) => {
        await worker.call("add", 1);
        for (const name of [file, `${file}-wal`, `${file}-shm`])
          assert.equal((await stat(name)).mode & 0o777, 0o600, name);
      },
      { file },
    );
  });

  test("a transaction that throws leaves nothing, and the next call works", async () => {
    await withWorker(async (worker) => {
      await assert.rejects(worker.call("addAndThrow", 1), /probe: on purpose/);
      assert.equal(await worker.call("add", 2), 1);
    });
  });

  test("a thread that dies fails the calls under way and is replaced at the next", async () => {
    await withWorker(async (worker) => {
      await assert.rejects(worker.call("die", null), { name: "Unavailable", dependency: "probe" });
      assert.equal(await worker.call("add", 1), 1);
    });
  });

  test("a call over its limit is ended with its thread, and the next call works", async () => {
    await withWorker(
      async (worker) => {
        await assert.rejects(worker.call("spin", null), /no answer to spin within 500 ms/);
        assert.equal(await worker.call("add", 1), 1);
      },
      { limitMs: 500 },
    );
  });

  test("a file of a newer version of the program is refused, not touched", async () => {
    const file = join(root, "newer.db");
    await withWorker(async (worker) => void (await worker.call("setVersion", 7)), { file });
    await withWorker(
      (worker) => assert.rejects(worker.call("add", 1), /schema version 7, this program knows 1/),
      { file },
    );
  });

  test("rubbish in place of the file, and a store that cannot be loaded, are Unavailable", async () => {
    const file = join(root, "rubbish.db");
    await writeFile(file, "rubbish ".repeat(1000));
    await withWorker(
      (worker) => assert.rejects(worker.call("add", 1), { message: /not a database/ }),
      { file },
    );
    await withWorker((worker) => assert.rejects(worker.call("add", 1), { name: "Unavailable" }), {
      thread: new URL("file:///nowhere/store.ts"),
    });
  });

  test("an operation that the store does not have is refused, prototype names included", async () => {
    await withWorker(async (worker) => {
      for (const name of ["nothing", "toString", "__proto__"])
        await assert.rejects(worker.call(name as "add", 1), /no operation/);
    });
  });

  test("after close calls fail and the process is not kept alive", async () => {
    await withWorker(async (worker) => {
      await worker.call("add", 1);
      await worker.close();
      await assert.rejects(worker.call("add", 1), /probe: closed/);
    });
  });
});
