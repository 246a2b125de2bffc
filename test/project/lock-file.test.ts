import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";

const ROOT = resolve(import.meta.dirname, "../..");

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};
const packages = Object.entries(lock.packages).filter(([path]) => path !== "");

test("npm ci finds every platform's package in the lock, whatever platform wrote it", () => {
  const locked = new Set(
    packages.map(([path]) => path.slice(path.lastIndexOf("node_modules/") + 13)),
  );
  for (const [path, { optionalDependencies = {} }] of Object.entries(lock.packages))
    for (const name of Object.keys(optionalDependencies))
      assert.ok(locked.has(name), `${path}: ${name}`);
});

test("what runs in production is pinned by its checksum and has no install script", () => {
  const production = packages.filter(([, { dev }]) => !dev);
  assert.ok(production.length > 40);
  for (const [path, { integrity, hasInstallScript }] of production) {
    assert.match(integrity ?? "", /^sha512-/, path);
    assert.notEqual(hasInstallScript, true, path);
  }
});

test("the lock names no registry", () => {
  assert.deepEqual(
    packages.filter(([, { resolved }]) => resolved !== undefined),
    [],
  );
});

test("direct dependencies have exact versions", () => {
  const own = lock.packages[""];
  const wanted = { ...own?.dependencies, ...own?.devDependencies, ...own?.optionalDependencies };
  for (const [name, version] of Object.entries(wanted))
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
});
