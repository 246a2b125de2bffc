import assert from "node:assert/strict";
import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { PolicyError } from "../../src/base/errors.ts";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { readUserFile } from "../../src/smtp/user-file.ts";
import { openUserHolder } from "../../src/smtp/user-holder.ts";
import { afterwards } from "../support/afterwards.ts";
import { waitUntil } from "../support/wait-until.ts";

const HASH = `$scrypt$ln=14,r=8,p=1$${"A".repeat(22)}$${"B".repeat(43)}`;

async function userFile(context: TestContext, text: string, mode = 0o600): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "postern-users-"));
  afterwards(context, () => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "users.txt");
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

async function problemsOf(path: string): Promise<readonly string[]> {
  const error = await readUserFile(path).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PolicyError, String(error));
  return error.problems.map(({ line, col, message }) => `${line}:${col} ${message}`);
}

test("users are found by name without case, as the file writes them", async (context) => {
  const path = await userFile(context, `# ours\r\n\nAlice@Example.org:${HASH}\r\nbob:${HASH}`);
  const users = await readUserFile(path);
  assert.equal(users.size, 2);
  assert.equal(users.find("aLICE@example.ORG")?.name, "Alice@Example.org");
  for (const name of ["alice", "", "constructor", "__proto__", "# ours"])
    assert.equal(users.find(name), null, name);
  assert.equal(users.decoy.ln, 14);
});

for (const mode of [0o640, 0o604, 0o620, 0o644, 0o601])
  test(`a file with mode ${mode.toString(8)} is refused`, async (context) => {
    const path = await userFile(context, `alice:${HASH}\n`, mode);
    const [problem] = await problemsOf(path);
    const octal = `0${mode.toString(8)}`;
    assert.equal(
      problem,
      `1:1 others can read or change it (mode ${octal}): expected 0600, chmod 600 ${path}`,
    );
  });

test("every mistake is told with its place, and no password with it", async (context) => {
  const path = await userFile(
    context,
    `alice:secret\nwith blank:${HASH}\nno colon\nbob:${HASH}\nBOB:${HASH}\nü:${HASH}\n`,
  );
  const problems = await problemsOf(path);
  const name = "expected name:hash, the name in printable ASCII without blanks";
  assert.deepEqual(problems, [
    "1:7 expected for alice a line of `postern user hash alice`",
    `2:1 ${name}`,
    `3:1 ${name}`,
    "5:1 expected each name once, got a second BOB",
    `6:1 ${name}`,
  ]);
  assert.ok(!problems.join().includes("secret"));
});

test("a file that is not there is told", async (context) => {
  const path = await userFile(context, "");
  const [problem] = await problemsOf(`${path}.none`);
  assert.match(problem ?? "", /cannot be read: ENOENT/);
});

test("a changed file counts at once, one with a mistake leaves the old in force", async (context) => {
  const path = await userFile(context, `alice:${HASH}\n`);
  const log: string[] = [];
  const metrics = createMetrics();
  const holder = await openUserHolder({
    listener: "inside",
    path,
    clock: createSystemClock(),
    log: createLog({ level: "info", format: "json", write: (line) => void log.push(line) }),
    reloads: metrics.counter("reloads", "x", ["listener", "outcome"]),
  });
  afterwards(context, () => holder.close());
  const replace = async (text: string, mode = 0o600) => {
    await writeFile(`${path}.new`, text);
    await chmod(`${path}.new`, mode);
    await rename(`${path}.new`, path);
  };
  const told = (event: string) =>
    waitUntil(
      () => `no ${event}: ${log.join("")}`,
      () => log.find((line) => line.includes(event)),
    );
  await replace(`bob:${HASH}\n`);
  await told("users-reloaded");
  assert.equal(holder.current().find("alice"), null);
  assert.ok(holder.current().find("bob"));
  await replace("carol:secret\n");
  assert.doesNotMatch(await told("users-rejected"), /secret/);
  await replace(`carol:${HASH}\n`, 0o644);
  await waitUntil(
    () => "the mode is not looked at",
    () => log.find((line) => line.includes("0644")),
  );
  assert.ok(holder.current().find("bob"));
});
