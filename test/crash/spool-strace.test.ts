import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { noStrace, parseTrace, type TracedCall } from "../support/strace.ts";

const WRITER = join(import.meta.dirname, "spool-writer.ts");

test("fsync of the file, rename, fsync of the folder precede the promise", {
  skip: noStrace(),
}, () => {
  const root = mkdtempSync(join(tmpdir(), "postern-strace-"));
  try {
    const log = join(root, "trace");
    const folder = join(root, "spool");
    const traced = "trace=rename,renameat,renameat2,fsync,fdatasync,write,pwrite64,openat";
    const node = [process.execPath, WRITER, folder, "0"];
    const child = spawnSync("strace", ["-f", "-y", "-s", "200", "-e", traced, "-o", log, ...node]);
    assert.equal(child.status, 0, String(child.stderr));
    const calls = parseTrace(readFileSync(log, "utf8"));
    const promises = calls.filter(({ line }) => line.includes('"promised '));
    assert.equal(promises.length, 3);
    for (const [nth, promise] of promises.entries()) {
      const id = /"promised (\S+?)\\n/.exec(promise.line)?.[1] ?? "";
      assert.notEqual(id, "");
      const home = nth < 2 ? "due" : "active";
      const at = (what: string, match: (call: TracedCall) => boolean, from = 0): number => {
        const found = calls.findIndex((call, i) => i >= from && match(call));
        assert.ok(found >= 0, `${id}: no ${what}`);
        return found;
      };
      const isSync = (call: TracedCall) => call.name.endsWith("sync") && call.line.endsWith("= 0");
      const isDraft = (call: TracedCall) => call.line.includes(`incoming/${id}>`);
      const lastWrite = calls.findLastIndex((c) => c.name.includes("write") && isDraft(c));
      const file = at("fsync(file)", (c) => isSync(c) && isDraft(c), lastWrite);
      const rename = at("rename", (c) => c.name.startsWith("rename") && c.line.includes(id), file);
      const dir = at("fsync(folder)", (c) => isSync(c) && c.line.includes(`/${home}>`), rename);
      assert.ok(lastWrite >= 0 && dir < calls.indexOf(promise), `${id}: promised too early`);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
