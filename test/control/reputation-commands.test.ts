import assert from "node:assert/strict";
import { test } from "node:test";
import { createSilentLog } from "../../src/base/log.ts";
import {
  createReputationCommands,
  type SubjectAnswer,
} from "../../src/control/reputation-commands.ts";
import type { TransactionRecord } from "../../src/pipeline/facts.ts";
import { reputationOptions } from "../../src/stages/reputation/reputation-options.ts";
import type { TraceRow } from "../../src/tracking/tracking.ts";
import { createReputationWorld } from "../support/reputation-world.ts";

const IP = "192.0.2.1";

function openCommands() {
  const world = createReputationWorld();
  const records: TransactionRecord[] = [];
  const commands = new Map(
    createReputationCommands({
      reputation: world.reputation,
      tracking: {
        explain: async (id) => {
          const record = records.find((one) => one.id === id);
          return record ? { record, fate: [] } : null;
        },
        trace: async ({ ip }) =>
          records
            .filter(({ client }) => client.ip === ip)
            .map(
              (record): TraceRow => ({
                ...record,
                at: 0,
                clientIp: IP,
                recipients: [],
                subject: null,
              }),
            )
            .reverse(),
      },
      rules: async () => ({ options: reputationOptions.parse({}), isOurs: () => false }),
      log: createSilentLog(),
      clock: { now: () => world.now, monotonic: () => 0, after: () => () => {} },
    }),
  );
  const run = (name: string, args: object = {}) =>
    Array.fromAsync(commands.get(`reputation.${name}`)!(args)) as Promise<never[]>;
  const show = (subject: string): Promise<SubjectAnswer[]> => run("show", { subject });
  const spam = async (count: number) => {
    for (let i = 0; i < count; i++) records.push((await world.send({ ip: IP, score: 8 })).record);
  };
  return { world, records, run, show, spam };
}

test("a client is shown with its counts, each term of its level, and its last mail", async () => {
  const { show, spam } = openCommands();
  await spam(12);
  const [answer] = await show(IP);
  assert.equal(answer?.subject, `client:${IP}`);
  assert.equal(answer?.record?.counts.spam, 12);
  assert.equal(answer?.srl?.level, 0);
  assert.match(answer?.srl?.held ?? "", /12 of 20/);
  const terms = answer?.srl?.terms.map(({ term, points }) => `${term} ${points}`);
  assert.deepEqual(terms, [
    "bad 7.2",
    "helo 0",
    "reverse 1",
    "unknown-recipients 0",
    "proxy 0",
    "identity 0",
  ]);
  assert.equal(answer?.history.length, 12);
});

test("what an operator has at hand names a subject", async () => {
  const { world, show } = openCommands();
  await world.send({ ip: IP, domain: "friend.test" });
  const known = async (text: string) =>
    (await show(text)).filter(({ record }) => record !== null).map(({ subject }) => subject);
  assert.deepEqual(await known("192.0.2.0/24"), ["network:192.0.2.0/24"]);
  assert.deepEqual(await known("Friend.test"), ["domain:friend.test"]);
  assert.deepEqual(await known("mail.friend.test"), ["helo:mail.friend.test"]);
  assert.deepEqual(await known("domain:friend.test"), ["domain:friend.test"]);
  assert.deepEqual(await known("client:192.0.2.1"), ["client:192.0.2.1"]);
  assert.deepEqual(await known("192.0.2.9"), []);
  for (const text of ["nonsense", "1.2.3", "-", "a b.test"])
    await assert.rejects(show(text), { code: "bad-request" }, text);
});

test("who is blocked is listed and shown, and a reset frees him", async () => {
  const { world, run, show, spam } = openCommands();
  await spam(21);
  const [block] = (await run("blocks")) as readonly { subject: string; until: number }[];
  assert.deepEqual([block?.subject, block?.until], [`client:${IP}`, world.now + 86_400_000]);
  assert.match((await show(IP))[0]?.block?.reason ?? "", /^SRL 8; bad/);
  const reset = await run("reset", { subject: IP, by: "jane" });
  assert.deepEqual(reset, [{ subject: `client:${IP}`, forgotten: false, unblocked: true }]);
  assert.deepEqual(await run("blocks"), []);
  assert.equal((await world.send({ ip: IP })).refused, false);
});

test("a message that was wrongly refused counts as wanted, and its client goes free", async () => {
  const { world, records, run, show, spam } = openCommands();
  await spam(3);
  const id = records[0]?.id;
  const by = "jane";
  assert.deepEqual(await run("unlearn", { id, by }), [
    { id, client: `client:${IP}`, unblocked: false },
  ]);
  const counts = (await show(IP))[0]?.record?.counts;
  assert.deepEqual([counts?.spam, counts?.ham, counts?.released], [2, 1, 1]);
  await assert.rejects(run("unlearn", { id, by }), { code: "refused" });
  await assert.rejects(run("unlearn", { id: "nonsense", by }), { code: "not-found" });
  await spam(30);
  const last = records.at(-1)?.id;
  assert.equal((await run("blocks")).length, 1);
  assert.deepEqual(await run("unlearn", { id: last, by }), [
    { id: last, client: `client:${IP}`, unblocked: true },
  ]);
  assert.equal((await world.send({ ip: IP })).refused, false);
});
