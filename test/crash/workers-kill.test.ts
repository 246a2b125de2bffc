import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { afterwards } from "../support/afterwards.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { assertFewDoubles, copiesAt } from "./copies.ts";
import { createLoad, LOAD_POLICIES, toMessage } from "./gateway-load.ts";

/**
 * Each on its own gateway: a process that is killed again and again rests ever longer before it is
 * started again, so that sixty kills of one gateway would be ten minutes of waiting.
 */
const GATEWAYS = process.env.POSTERN_TEST_FULL ? 10 : 1;
const ROUNDS = 6;
const CLIENTS = 8;
const PROMISES_A_ROUND = 40;
const LIMIT_MS = 30_000;

function pidsOf(edge: TestGateway, name: string): readonly number[] {
  return edge.log
    .filter(({ event, process }) => event === "process-ready" && process === name)
    .map(({ pid }) => Number(pid));
}

for (let nth = 1; nth <= GATEWAYS; nth++)
  test(`nothing promised is lost when any of the processes is killed under load (${nth})`, killAll);

async function killAll(t: TestContext): Promise<void> {
  const hub = await startScriptedHub();
  afterwards(t, () => hub.close());
  const routing = {
    connectors: {
      hub: {
        domains: ["example.org", "spooled.test"],
        smarthosts: [`127.0.0.1:${hub.port}`],
      },
    },
  };
  const edge = await startTestGateway({
    hubPort: hub.port,
    policies: { ...LOAD_POLICIES, routing },
    settings: { workers: 2 },
  });
  afterwards(t, () => edge.remove());
  const load = createLoad();
  for (let round = 0; round < ROUNDS; round++) {
    const name = ["gateway-1", "service", "gateway-2"][round % 3]!;
    const enough = load.promised.size + PROMISES_A_ROUND;
    load.start(edge.port, CLIENTS);
    await waitUntil(
      () => `only ${load.promised.size} of ${enough} messages were accepted`,
      () => load.promised.size >= enough || undefined,
      LIMIT_MS,
    );
    const before = pidsOf(edge, name);
    process.kill(before.at(-1)!, "SIGKILL");
    await waitUntil(
      () => `${name} was not replaced`,
      () => pidsOf(edge, name).length > before.length || undefined,
      LIMIT_MS,
    );
    await load.stop();
  }
  const spool = join(edge.folder, "data", "spool");
  const owed = () => ["due", "active", "held"].flatMap((state) => readdirSync(join(spool, state)));
  // What was under way in three kills in a row is suspected and waits for an operator.
  const streams = { out() {}, err() {}, env: {}, cwd: edge.folder };
  await runCli(["queue", "release", "--all", "--settings", edge.settingsFile], streams);
  await waitUntil(
    () => `the spool still holds ${owed().length}`,
    () => owed().length === 0 || undefined,
    LIMIT_MS,
  );
  const arrived = copiesAt(hub);
  const lost = [...load.promised].flatMap((number) =>
    toMessage(number)
      .recipients.map((recipient) => `${number} ${recipient}`)
      .filter((copy) => !arrived.has(copy)),
  );
  assert.deepEqual(lost, []);
  assert.deepEqual(readdirSync(join(spool, "corrupt")), []);
  t.diagnostic(`${load.promised.size} promised, 0 lost, ${assertFewDoubles(arrived)} twice`);
}
