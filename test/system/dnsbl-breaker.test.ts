import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { describeStory } from "../../src/cli/explain.ts";
import { noRbldnsd, startRbldnsd } from "../support/rbldnsd-server.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const TEST_ENTRY = "127.0.0.2 :127.0.0.2:Test entry";
/** The whole world but for 127.0.0.1, so that its canary passes. */
const WORLD = `:127.0.0.2:Shut down, see $\n0.0.0.0/1\n128.0.0.0/1\n!127.0.0.1`;
/** Clients that come before it has to be found out; a minute takes some more. */
const MOST_CLIENTS = 2000;

async function setUp(t: TestContext, workers: number) {
  const folder = await mkdtemp(join(tmpdir(), "postern-breaker-"));
  const hub = await startScriptedHub();
  const zones = await startRbldnsd({ "bl.test": { dataset: "ip4set", data: TEST_ENTRY } });
  t.after(async () => {
    await Promise.all([hub.close(), zones.stop()]);
    await rm(folder, { recursive: true, force: true });
  });
  const start = () =>
    startTestGateway({
      folder,
      hubPort: hub.port,
      policies: {
        dnsbl: {
          lists: [{ zone: "bl.test", score: 6 }],
          rejectAt: 6,
          breaker: { usual: 0.05, least: 5 },
        },
      },
      settings: { workers, dns: { servers: [zones.address], timeoutMs: 5000 } },
    });
  let clients = 0;
  /** From an address that nobody came from before: whether it was refused for being listed. */
  const send = async (edge: TestGateway) => {
    clients += 1;
    const localAddress = `127.1.${clients >> 8}.${clients & 255}`;
    const sent = await sendMail({ port: edge.port, localAddress, message: SIMPLE_MESSAGE });
    const { text = "" } = sent.final ?? sent.rcpt[0] ?? {};
    assert.match(text, /^(250|550 5\.7\.1 .*bl\.test)/);
    return { id: sent.id, isRefused: text.startsWith("550") };
  };
  return { start, send, zones };
}

for (const workers of [1, 2])
  test(`a list that begins to name the whole world refuses mail for less than a minute, ${workers === 1 ? "one process" : "two workers"}`, {
    skip: noRbldnsd(),
  }, async (t) => {
    const { start, send, zones } = await setUp(t, workers);
    const edge = await start();
    t.after(() => edge.stop());
    for (let i = 0; i < 10; i++) assert.equal((await send(edge)).isRefused, false);
    await zones.replace("bl.test", WORLD);
    await waitUntil(
      () => "the list does not name the world",
      async () => (await send(edge)).isRefused || undefined,
    );
    const began = performance.now();
    let last = await send(edge);
    for (let i = 0; last.isRefused && i < MOST_CLIENTS; i++) last = await send(edge);
    assert.equal(last.isRefused, false);
    assert.ok(performance.now() - began < 60_000);
    await edge.waitForLog("dnsbl-zone-demoted", ({ zone }) => zone === "bl.test");
    const told = describeStory(await storyOf(edge, last.id)).join("\n");
    assert.match(told, /bl\.test: listed .*it refuses nobody: it alone lists \d+ % of/);
    assert.match(told, /DNSBL_BL_TEST \+6/);
    const command = await run(edge, "dnsbl", "stats", "--json");
    assert.equal(command.code, 0);
    const [stats] = command.lines.map((line) => JSON.parse(line));
    assert.match(stats.demoted, /is usual$/);
    assert.ok(stats.lone > 5 && stats.standing === "healthy");
    assert.match((await run(edge, "dnsbl", "stats")).lines.join("\n"), /^bl\.test .* demoted/m);
    for (let i = 0; i < 5; i++) assert.equal((await send(edge)).isRefused, false);
    assert.equal(edge.log.filter(({ event }) => event === "dnsbl-zone-demoted").length, 1);

    await edge.stop();
    const offline = await run(edge, "dnsbl", "stats");
    assert.match(offline.lines.join("\n"), /bl\.test refuses nobody: /);
    const again = await start();
    t.after(() => again.stop());
    assert.equal((await send(again)).isRefused, false);
    assert.ok(!again.log.some(({ event }) => event === "dnsbl-zone-demoted"));
  });

test("dnsbl check asks all lists about an address and says what would come of it", {
  skip: noRbldnsd(),
}, async (t) => {
  const { start, zones } = await setUp(t, 1);
  const edge = await start();
  t.after(() => edge.stop());
  const clean = await run(edge, "dnsbl", "check", "192.0.2.1");
  assert.equal(clean.code, 0);
  assert.match(clean.lines.join("\n"), /^bl\.test does not list it \(\d+ ms\)$/m);
  assert.match(clean.lines.join("\n"), /^192\.0\.2\.1: score 0, refused from 6: would not be/m);
  const listed = await run(edge, "dnsbl", "check", "127.0.0.2");
  assert.equal(listed.code, 1);
  assert.match(listed.lines.join("\n"), /^bl\.test lists it with 127\.0\.0\.2, score \+6/m);
  assert.match(listed.lines.join("\n"), /^ {2}it says: Test entry$/m);
  const json = await run(edge, "dnsbl", "check", "127.0.0.2", "--json");
  const { verdict, zones: answers } = JSON.parse(json.lines[0] ?? "");
  assert.deepEqual([verdict.kind, answers[0].canary.kind], ["reject", "healthy"]);
  await zones.replace("bl.test", ":127.0.0.2:x\n0.0.0.0/1\n128.0.0.0/1");
  const dead = await waitUntil(
    () => "the list still passes",
    async () => {
      const found = await run(edge, "dnsbl", "check", "198.51.100.7");
      return found.lines.join("\n").includes("is not believed") ? found : undefined;
    },
  );
  assert.equal(dead.code, 0);
  assert.match(dead.lines.join("\n"), /127\.0\.0\.1 is listed: it lists everybody/);
  assert.equal((await run(edge, "dnsbl", "check", "nobody")).code, 2);
});

async function run(edge: TestGateway, ...words: string[]) {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const streams = { out: say, err: say, env: {}, cwd: edge.folder };
  const code = await runCli(["--settings", edge.settingsFile, ...words], streams);
  return { code, lines };
}
