import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const LIMIT_MS = 180_000;

/** No Docker engine runs where the tests do: this does by hand what the Dockerfile says. */
test("the steps of the Dockerfile yield a product that runs and validates its own policies", async () => {
  const dockerfile = await readFile(join(ROOT, "Dockerfile"), "utf8");
  const install = /^RUN (npm ci .*)$/m.exec(dockerfile)?.[1] ?? "";
  assert.equal(install, "npm ci --omit=dev --omit=optional --ignore-scripts");
  const image = await mkdtemp(join(tmpdir(), "postern-image-"));
  try {
    for (const path of copiedPaths(dockerfile))
      await cp(join(ROOT, path), join(image, path), { recursive: true });
    await run("npm", install.split(" ").slice(1), { cwd: image, timeout: LIMIT_MS });
    const main = join(image, "src/main.ts");
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
    const said = await run(process.execPath, [main, "version"], { cwd: image });
    assert.match(said.stdout, new RegExp(version.replaceAll(".", "\\.")));
    const env = {
      ...process.env,
      POSTERN_HOSTNAME: "mx1.example.org",
      POSTERN_CLAMD: "clamav:3310",
      POSTERN_DATA_DIR: join(image, "data"),
      POSTERN_POLICIES: join(image, "policies"),
    };
    const checked = await run(process.execPath, [main, "check"], { cwd: image, env });
    assert.match(checked.stdout, /^ok$/m);
  } finally {
    await rm(image, { recursive: true, force: true });
  }
});

test("the image runs as nobody in particular, has a health check, and starts the gateway", async () => {
  const dockerfile = await readFile(join(ROOT, "Dockerfile"), "utf8");
  assert.match(dockerfile, /^FROM node:26-slim$/m);
  assert.match(dockerfile, /^USER 10025:10025$/m);
  assert.match(dockerfile, /^HEALTHCHECK /m);
  assert.match(dockerfile, /^ENTRYPOINT \["node", "src\/main\.ts"\]$/m);
  const ignored = await readFile(join(ROOT, ".dockerignore"), "utf8");
  const allowed = ignored
    .split("\n")
    .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
  assert.deepEqual(new Set(copiedPaths(dockerfile)), new Set(allowed));
});

/** What COPY takes from the clone, without what an earlier stage made. */
function copiedPaths(dockerfile: string): readonly string[] {
  return dockerfile
    .split("\n")
    .filter((line) => line.startsWith("COPY ") && !line.includes("--from="))
    .flatMap((line) => line.split(/\s+/).slice(1, -1));
}
