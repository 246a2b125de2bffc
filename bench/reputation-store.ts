import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSystemClock } from "../src/base/clock.ts";
import { createSilentLog } from "../src/base/log.ts";
import { createRedisReputation } from "../src/reputation/redis-reputation.ts";
import type { Reputation } from "../src/reputation/reputation.ts";
import { createSqliteReputation } from "../src/reputation/sqlite-reputation.ts";
import { toClientSubject } from "../src/reputation/subjects.ts";
import { openRedisNode } from "../test/support/redis-reputation.ts";
import { noRedis, type RedisServer, startRedis } from "../test/support/redis-server.ts";

/** Sessions that ask at the same time. */
const CONCURRENCY = 20;
const BATCH = 1000;

const { values } = parseArgs({
  options: {
    subjects: { type: "string", default: "100000" },
    rounds: { type: "string", default: "20000" },
  },
});
const subjects = Number(values.subjects);
const rounds = Number(values.rounds);
const clock = createSystemClock();
const log = createSilentLog();

function subjectOf(n: number) {
  return toClientSubject(`${20 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.25`);
}

async function fill(reputation: Reputation): Promise<void> {
  for (let from = 0; from < subjects; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, subjects - from) }, (_, i) => from + i);
    reputation.learn(
      numbers.map((n) => ({
        subject: subjectOf(n),
        helo: `mail${n}.example.org`,
        add: { ham: 1, authPass: 1, recipient: 2 },
      })),
    );
    await reputation.flush();
  }
}

/** Each looks one subject up and learns of it; another each time, so that nothing is hot. */
async function lookAndLearn(reputation: Reputation): Promise<void> {
  const work = async (start: number) => {
    for (let i = start; i < rounds; i += CONCURRENCY) {
      const subject = subjectOf((i * 7919) % subjects);
      const answer = await reputation.look([subject]);
      if (answer.kind === "unknown" || !answer.value[0]) throw new Error(`nothing known in ${i}`);
      reputation.learn([{ subject, add: { ham: 1 } }]);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, (_, i) => work(i)));
  await reputation.flush();
}

async function measure(name: string, reputation: Reputation, serverCpu: () => Promise<number>) {
  const before = process.cpuUsage();
  const serverBefore = await serverCpu();
  const began = performance.now();
  await lookAndLearn(reputation);
  const ms = performance.now() - began;
  const own = process.cpuUsage(before);
  const ownMs = (own.user + own.system) / 1000 / rounds;
  const serverMs = ((await serverCpu()) - serverBefore) / rounds;
  const cpu = `${(ownMs + serverMs).toFixed(3)} ms CPU (ours ${ownMs.toFixed(3)}, the server's ${serverMs.toFixed(3)})`;
  console.log(`${name}: look-up and update ${cpu}, ${Math.round((rounds / ms) * 1000)} a second`);
}

async function infoNumber({ admin }: RedisServer, section: string, field: string) {
  const info = await admin.info(section);
  return Number(new RegExp(`^${field}:([\\d.]+)`, "m").exec(info)?.[1] ?? "NaN");
}

async function redisCpuMs(server: RedisServer): Promise<number> {
  const user = await infoNumber(server, "cpu", "used_cpu_user");
  return (user + (await infoNumber(server, "cpu", "used_cpu_sys"))) * 1000;
}

async function benchRedis(): Promise<void> {
  if (noRedis()) return;
  const server = await startRedis();
  const node = openRedisNode(server.url);
  const reputation = createRedisReputation({ ...node, clock, log });
  try {
    const empty = await infoNumber(server, "memory", "used_memory");
    await fill(reputation);
    const full = await infoNumber(server, "memory", "used_memory");
    const bytes = Math.round((full - empty) / (await server.admin.dbsize()));
    console.log(`redis: ${await server.admin.dbsize()} subjects, ${bytes} bytes each`);
    await measure("redis", reputation, () => redisCpuMs(server));
  } finally {
    await reputation.close();
    await node.link.close();
    await server.stop();
  }
}

async function benchSqlite(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "postern-bench-"));
  const reputation = createSqliteReputation({ folder, clock, log });
  try {
    await fill(reputation);
    const files = await readdir(folder);
    const sizes = await Promise.all(
      files.map(async (file) => (await stat(join(folder, file))).size),
    );
    const bytes = Math.round(sizes.reduce((sum, size) => sum + size, 0) / subjects);
    console.log(
      `embedded: ${subjects} subjects, ${bytes} bytes each on the disk, its log included`,
    );
    await measure("embedded", reputation, async () => 0);
  } finally {
    await reputation.close();
    await rm(folder, { recursive: true, force: true });
  }
}

await benchRedis();
await benchSqlite();
