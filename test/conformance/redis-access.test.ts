import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createRedisRateCounters } from "../../src/reputation/redis-rate-counters.ts";
import { findFreeTcpPort } from "../support/free-port.ts";
import { makeCertificate } from "../support/made-certificate.ts";
import { openRedisNode, openRedisReputation } from "../support/redis-reputation.ts";
import { noRedis, type RedisServer, startRedis } from "../support/redis-server.ts";
import { createSetClock } from "../support/set-clock.ts";
import { waitUntil } from "../support/wait-until.ts";
import { reputationConformance } from "./reputation-conformance.ts";

/** As docs/reputation-store.md tells operators. */
const RIGHTS = [
  "on",
  ">secret",
  "~postern:*",
  "+@read",
  "+@write",
  "+@scripting",
  "+@connection",
  "+info",
];
const LIMIT = { capacity: 10, perHour: 1 };

describe("a Redis that knows its users", { skip: noRedis() }, () => {
  let server: RedisServer;
  before(async () => {
    server = await startRedis();
    await server.admin.call("ACL", "SETUSER", "postern", ...RIGHTS);
    await server.admin.call("ACL", "SETUSER", "default", "resetkeys", "-@write");
    await server.admin.call("ACL", "SETUSER", "keeper", "on", "nopass", "allkeys", "+@all");
    await server.admin.call("AUTH", "keeper", "x");
  });
  after(() => server.stop());

  const url = () => `redis://postern:secret@127.0.0.1:${server.port}`;

  reputationConformance(async (clock) => {
    await server.admin.flushall();
    return openRedisReputation(url(), clock);
  });

  test("a wrong password is no answer, and nobody waits for one", async () => {
    const node = openRedisNode(`redis://postern:wrong@127.0.0.1:${server.port}`);
    await assert.rejects(node.link.ask(() => node.link.client.get("postern:x")));
    await waitUntil(
      () => "the breaker is closed",
      () => node.link.breaker() === "open" || undefined,
    );
    await node.link.close();
  });
});

describe("a Redis behind TLS", { skip: noRedis() }, () => {
  let server: RedisServer;
  let folder: string;
  let tlsPort: number;
  let authority: Awaited<ReturnType<typeof makeCertificate>>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "postern-redis-tls-"));
    authority = await makeCertificate("Test CA", { isAuthority: true });
    const own = await makeCertificate("localhost", { by: authority });
    for (const [name, text] of [
      ["ca.pem", authority.cert],
      ["cert.pem", own.cert],
      ["key.pem", own.key],
    ] as const)
      await writeFile(join(folder, name), text);
    tlsPort = await findFreeTcpPort();
    server = await startRedis([
      ...["--tls-port", `${tlsPort}`, "--tls-auth-clients", "no"],
      ...["--tls-cert-file", join(folder, "cert.pem"), "--tls-key-file", join(folder, "key.pem")],
      ...["--tls-ca-cert-file", join(folder, "ca.pem")],
    ]);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("is believed when an authority that we trust vouches for its name", async () => {
    const tls = { ca: [authority.cert] };
    const node = openRedisNode(`rediss://localhost:${tlsPort}`, { tls });
    const counters = createRedisRateCounters(node.link, node.scripts, createSetClock());
    await waitUntil(
      () => "no answer over TLS",
      () =>
        counters.take("a", 1, LIMIT).then(
          ({ taken }) => taken || undefined,
          () => undefined,
        ),
    );
    assert.equal((await server.admin.keys("*")).length, 1);
    await node.link.close();
  });

  test("is not believed otherwise, and nobody waits", async () => {
    for (const [host, tls] of [
      ["localhost", {}],
      ["127.0.0.1", { ca: [authority.cert] }],
    ] as const) {
      const node = openRedisNode(`rediss://${host}:${tlsPort}`, { tls });
      const told: string[] = [];
      node.link.client.on("error", (error: Error) => void told.push(error.message));
      await waitUntil(
        () => "it was not refused",
        () => told.some((text) => /certificate|altnames/i.test(text)) || undefined,
      );
      await assert.rejects(node.link.ask(() => node.link.client.get("postern:x")));
      await node.link.close();
    }
  });
});

/** A Cluster of one node, whose name for itself no other node has told it. */
const CLUSTER = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];

describe("a Redis that comes later", { skip: noRedis() }, () => {
  for (const form of ["redis", "redis+cluster"])
    test(`is used once it is there: ${form}`, async () => {
      const cluster = [...CLUSTER, "--cluster-port", `${await findFreeTcpPort()}`];
      const server = await startRedis(form === "redis" ? [] : cluster);
      if (form !== "redis") await server.admin.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
      await server.kill();
      const node = openRedisNode(`${form}://127.0.0.1:${server.port}`);
      try {
        const ask = () => node.link.ask(() => node.link.client.get("postern:x"));
        await assert.rejects(ask());
        await server.restart();
        await waitUntil(
          () => "it is not used",
          () =>
            ask().then(
              () => true,
              () => undefined,
            ),
          30_000,
        );
      } finally {
        await node.link.close();
        await server.stop();
      }
    });
});
