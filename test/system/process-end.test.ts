import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type GatewayProcess, spawnGateway } from "../support/gateway-process.ts";
import { RawClient } from "../support/raw-client.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { openTransaction, withEdge } from "../support/with-edge.ts";

/** `serve` gives what is under way 25 s, and an init system kills after 40 (docs/install.md). */
const PATIENCE_MS = 40_000;
const LIMITS = { delivery: { waitSeconds: 1, retryFirstSeconds: 1, retryMaxSeconds: 1 } };

interface Bench {
  readonly hub: ScriptedHub;
  readonly folder: string;
  readonly settingsFile: string;
  start(): Promise<{ readonly gateway: GatewayProcess; readonly port: number }>;
}

interface BenchOptions {
  readonly workers: number;
  readonly script: HubOptions["script"];
  readonly policies?: Readonly<Record<string, unknown>>;
}

async function withBench(options: BenchOptions, work: (bench: Bench) => Promise<void>) {
  const { workers, script, policies = {} } = options;
  const hub = await startScriptedHub({ ...(script && { script }) });
  const folder = await mkdtemp(join(tmpdir(), "postern-end-"));
  const started: GatewayProcess[] = [];
  try {
    const files = { hubPort: hub.port, settings: { workers }, policies };
    const settingsFile = await writeGatewayFiles(folder, files);
    const start = async () => {
      const gateway = spawnGateway({ settingsFile });
      started.push(gateway);
      return { gateway, port: await gateway.listening() };
    };
    await work({ hub, folder, settingsFile, start });
  } finally {
    for (const gateway of started) await gateway.kill();
    await hub.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function owed(folder: string): Promise<number> {
  const states = ["incoming", "due", "active"];
  const files = await Promise.all(
    states.map((state) => readdir(join(folder, "data", "spool", state))),
  );
  return files.flat().length;
}

/** A hub that thinks about every message until it is told to answer. */
function createThinker() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const script: HubOptions["script"] = async ({ step }) => {
    if (step === "dot") await promise;
    return undefined;
  };
  return { script, answer: resolve };
}

const marked = (mark: string) => SIMPLE_MESSAGE.replace("Hello Alice", `Mark: ${mark}`);
const marksAt = (hub: ScriptedHub) =>
  hub.messages.map(({ data }) => /Mark: (\w+)/.exec(data.toString("latin1"))?.[1]).toSorted();

async function stop(gateway: GatewayProcess): Promise<void> {
  await gateway.stop(PATIENCE_MS);
  assert.equal(gateway.exitCode(), 0, gateway.output());
}

async function beginData(port: number, octets: string): Promise<RawClient> {
  const client = await openTransaction({ port });
  assert.equal((await client.say("DATA")).code, 354);
  client.send(octets);
  return client;
}

for (const workers of [1, 2])
  describe(`SIGTERM with workers: ${workers}`, () => {
    test("ends idle sessions with 421 and lets messages under way reach a slow hub", async () => {
      const { script, answer } = createThinker();
      await withBench({ workers, script }, async ({ hub, folder, start }) => {
        const { gateway, port } = await start();
        const idle = await Promise.all([openTransaction({ port }), openTransaction({ port }, [])]);
        const sent = await Promise.all(["a", "b"].map((x) => beginData(port, `${marked(x)}.\r\n`)));
        await hub.waitFor(() => hub.count("dot") === 2);
        const half = await Promise.all(["c", "d"].map((x) => beginData(port, marked(x))));
        // As an init system does, which tells every process of its unit.
        for (const pid of processesOf(gateway)) process.kill(pid, "SIGTERM");
        const stopped = stop(gateway);
        for (const client of idle) assert.match(await client.closed(), /^421 4\.3\.2 /);
        await assert.rejects(RawClient.open({ port }));
        for (const client of half) client.send(".\r\n");
        await hub.waitFor(() => hub.count("dot") === 4);
        answer();
        for (const client of [...sent, ...half])
          assert.match((await client.reply()).text, /^250 2\.0\.0 /);
        await stopped;
        assert.deepEqual(marksAt(hub), ["a", "b", "c", "d"]);
        assert.equal(await owed(folder), 0);
      });
    });

    test("loses nothing that was promised on the spool, and delivers it once", async () => {
      const { script, answer } = createThinker();
      const policies = { limits: LIMITS };
      await withBench({ workers, script, policies }, async ({ hub, folder, start }) => {
        const { gateway, port } = await start();
        const client = await beginData(port, marked("a"));
        const stopped = stop(gateway);
        await assert.rejects(untilRefused(port));
        client.send(".\r\n");
        assert.match((await client.reply()).text, /^250 2\.0\.0 /);
        assert.equal(hub.messages.length, 0, "the hub has not answered yet");
        answer();
        await stopped;
        const next = await start();
        await waitUntil(
          () => `the spool is not empty: ${next.gateway.output()}`,
          async () => ((await owed(folder)) === 0 ? true : undefined),
        );
        await stop(next.gateway);
        assert.deepEqual(marksAt(hub), ["a"]);
      });
    });

    test("does not wait longer than its deadline for a hub and a client that never end", async () => {
      const script: HubOptions["script"] = ({ step, count }) => {
        if (step === "mail" && count === 1) return "421 4.3.2 not now";
        return step === "dot" ? { hang: true } : undefined;
      };
      const settings = { workers };
      await withEdge(
        { hub: { script }, settings, policies: { limits: LIMITS } },
        async (edge, hub) => {
          const sent = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
          assert.equal(sent.final?.code, 250);
          await hub.waitFor(() => hub.count("dot") === 1);
          const half = await beginData(edge.port, SIMPLE_MESSAGE);
          const begun = performance.now();
          await edge.gateway.stop(2000);
          const took = performance.now() - begun;
          assert.ok(took < 3900, `one deadline for all processes together, not ${took} ms`);
          assert.equal(await half.closed(), "", "nothing was promised to who did not end");
          assert.equal(await owed(edge.folder), 1, "what was promised is on disk");
        },
      );
    });
  });

/** Rejects once nobody listens any more. */
async function untilRefused(port: number): Promise<void> {
  for (;;) {
    const client = await RawClient.open({ port });
    await client.closed().catch(() => {});
    client.destroy();
  }
}

test("when a supervisor is killed its processes end, and the next delivers what was promised", async () => {
  let isAway = true;
  const script: HubOptions["script"] = ({ step }) =>
    isAway && step === "mail" ? "421 4.3.2 not now" : undefined;
  const policies = { limits: { delivery: LIMITS.delivery } };
  await withBench({ workers: 2, script, policies }, async ({ hub, folder, start }) => {
    const { gateway, port } = await start();
    for (const mark of ["a", "b", "c"])
      assert.equal((await sendMail({ port, message: marked(mark) })).final?.code, 250);
    const clients = await Promise.all([openTransaction({ port }), openTransaction({ port })]);
    const half = await beginData(port, marked("d"));
    const pids = processesOf(gateway);
    assert.equal(pids.length, 3);
    await gateway.kill();
    for (const client of clients) assert.match(await client.closed(), /^421 4\.3\.2 /);
    half.send(".\r\n");
    // Nobody is left who could keep it: the client does.
    assert.match((await half.reply()).text, /^4\d\d /);
    isAway = false;
    // At once: it waits for those who still hold the data folder.
    const next = await start();
    assert.deepEqual(pids.filter(isAlive), []);
    await hub.waitForMessages(3);
    await stop(next.gateway);
    assert.deepEqual(marksAt(hub), ["a", "b", "c"]);
    assert.equal(await owed(folder), 0);
  });
});

function processesOf(gateway: GatewayProcess): readonly number[] {
  const lines = gateway.output().split("\n");
  const ready = lines.filter((line) => line.includes('"event":"process-ready"'));
  return ready.map((line) => Number(/"pid":(\d+)/.exec(line)?.[1]));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
