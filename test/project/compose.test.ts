import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { readEnvironment } from "../../src/settings-environment.ts";

const ROOT = resolve(import.meta.dirname, "../..");

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: unknown;
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly configs: Readonly<Record<string, unknown>>;
}

const compose = parse(readFileSync(join(ROOT, "docker-compose.yml"), "utf8")) as Compose;
const services = Object.entries(compose.services);

test("the compose file has the gateway, its scanner, its store and a hub with a mailbox", () => {
  assert.deepEqual(Object.keys(compose.services).sort(), ["clamav", "hub", "postern", "redis"]);
  for (const [name, { image }] of services)
    assert.match(image ?? "", /^[\w./-]+(:[\w.-]+)?$/, name);
});

test("every network, volume, config and dependency that a service names is declared", () => {
  for (const [name, service] of services) {
    const networks = Array.isArray(service.networks)
      ? service.networks
      : Object.keys(service.networks ?? {});
    for (const network of networks) assert.ok(Object.hasOwn(compose.networks, network), name);
    for (const { source } of service.configs ?? [])
      assert.ok(Object.hasOwn(compose.configs, source), name);
    for (const volume of service.volumes ?? []) {
      const [from = ""] = volume.split(":");
      if (from.startsWith(".")) assert.ok(existsSync(join(ROOT, from)), `${name}: ${from}`);
      else assert.ok(Object.hasOwn(compose.volumes, from), `${name}: ${from}`);
    }
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      assert.equal(condition, "service_healthy");
      assert.ok(compose.services[other]?.healthcheck, `${other} can become healthy`);
    }
  }
});

test("the variables of the gateway are settings that it knows, and so are the image's", () => {
  const { problems } = readEnvironment(compose.services.postern?.environment ?? {}, "/");
  assert.deepEqual(problems, []);
  const dockerfile = readFileSync(join(ROOT, "Dockerfile"), "utf8");
  const own = [...dockerfile.matchAll(/(POSTERN_\w+)=(\S+)/g)].map(([, key, value]) => [
    key,
    value,
  ]);
  assert.equal(own.length, 3);
  assert.deepEqual(readEnvironment(Object.fromEntries(own), "/").problems, []);
});

test("the scanner says what it could not look into", () => {
  const { content } = compose.configs.clamd as { readonly content: string };
  for (const option of ["AlertEncrypted", "AlertExceedsMax", "AlertOLE2Macros"])
    assert.match(content, new RegExp(`^${option} yes$`, "m"));
});
