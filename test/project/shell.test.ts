import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { findProgram, readKnownPrograms } from "../support/programs.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RUN = ["bin/postern", "bin/test", ".ci/run"];
const READ = ["bin/runtime.sh", "bin/test-programs.sh"];
const shellcheck = findProgram("shellcheck");

test("shellcheck finds nothing in the scripts", { skip: shellcheck.skip }, () => {
  const { stdout, status } = spawnSync(shellcheck.path, ["-x", ...RUN, ...READ], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.equal(stdout, "");
  assert.equal(status, 0);
});

test("the scripts that people run are executable", () => {
  for (const script of RUN) assert.ok(statSync(join(ROOT, script)).mode & 0o100, script);
});

test("bin/test explains itself, and refuses an option that it does not know", () => {
  const help = spawnSync(join(ROOT, "bin/test"), ["--help"], { encoding: "utf8" });
  assert.equal(help.status, 0);
  for (const option of ["--fast", "--full", "FILE"]) assert.match(help.stdout, new RegExp(option));
  assert.equal(spawnSync(join(ROOT, "bin/test"), ["--fats"]).status, 2);
});

test("mail servers are unpacked, never installed over the host's own", () => {
  for (const row of readKnownPrograms()) {
    const isMailServer = /postfix|exim|opensmtpd|sendmail/.test(row.package);
    assert.equal(row.how, isMailServer ? "unpack" : "install", row.program);
  }
});

test("a program that the table says tests need is one that tests name", () => {
  const needed = readKnownPrograms().filter(({ neededBy }) =>
    neededBy.some((folder) => existsSync(join(ROOT, "test", folder))),
  );
  for (const { program } of needed) {
    const { status } = spawnSync("grep", ["-rqF", `"${program}`, join(ROOT, "test")]);
    assert.equal(status, 0, program);
  }
});
