import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { noRedis, type RedisServer, startRedis } from "../support/redis-server.ts";
import { runPostern } from "../support/run-postern.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { type SentMail, SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Nobody answers DNS questions here: whoever names a domain has score 1, and is suspicious by that. */
const POLICIES = {
  "sender-auth": { "sender-domain": { scores: { unresolved: 1 } } },
  connection: { greylist: { delays: "suspicious", delaySeconds: 600 } },
  rates: { "message-rate": { client: { perHour: 1, atOnce: 4 } } },
};

const answerOf = ({ rcpt, final }: SentMail) => final?.text ?? rcpt[0]?.text ?? "";

/** `from: ""` is the null sender, who is not suspicious. */
const send = (edge: TestGateway, host: number, from = "") =>
  sendMail({ port: edge.port, localAddress: `127.0.0.${host}`, from, message: SIMPLE_MESSAGE });

async function postern(edge: TestGateway, ...words: string[]): Promise<string> {
  const { code, text, err } = await runPostern(edge, ...words);
  assert.equal(code, 0, err.join("\n"));
  return text;
}

/**
 * On a machine that is busy for the 150 ms of a command both go on without Redis, as they should: then
 * once more, with other clients.
 */
async function onQuietMoment(scenario: (attempt: number) => Promise<void>): Promise<void> {
  for (let attempt = 0; attempt < 4; attempt++) {
    const ended = await scenario(attempt).then(
      () => true,
      () => false,
    );
    if (ended) return;
    await sleep(1000);
  }
  await scenario(4);
}

describe("two gateways on one Redis, one of them in several processes", { skip: noRedis() }, () => {
  let server: RedisServer;
  let hub: ScriptedHub;
  let one: TestGateway;
  let other: TestGateway;

  before(async () => {
    server = await startRedis();
    hub = await startScriptedHub();
    const open = (settings: object) =>
      startTestGateway({
        hubPort: hub.port,
        policies: POLICIES,
        settings: { redis: server.url, ...settings },
      });
    [one, other] = await Promise.all([open({}), open({ workers: 2 })]);
  });

  after(async () => {
    await Promise.all([one.remove(), other.remove()]);
    await hub.close();
    await server.stop();
  });

  const keys = (kind: string) => server.admin.keys(`postern:${kind}:*`);

  test("whom a command blocks at one the other refuses without a restart", async () => {
    assert.match(answerOf(await send(other, 11)), /^250 /);
    await postern(one, "block", "add", "--client", "127.0.0.11", "--reason", "spam");
    const refused = () =>
      waitUntil(
        () => "it does not take effect",
        async () => /^550 5\.7\.1 /.test(answerOf(await send(other, 11))) || undefined,
      );
    await refused();
    assert.match(await postern(other, "block", "list"), /127\.0\.0\.11 .*spam/);
  });

  test("whom one told to come again is known to the other", () =>
    onQuietMoment(async (attempt) => {
      const from = `x@spam${String.fromCharCode(97 + attempt)}.test`;
      const host = 81 + 2 * attempt;
      const told = new Set(await keys("grey"));
      assert.match(answerOf(await send(one, host, from)), /^451 4\.7\.1 /);
      const news = async () => (await keys("grey")).filter((key) => !told.has(key));
      const [key] = await news();
      assert.ok(key);
      assert.match(answerOf(await send(other, host + 1, from)), /^451 4\.7\.1 /);
      assert.deepEqual(await news(), [key], "its network is one");
      const [first = "", , until = ""] = ((await server.admin.get(key)) ?? "").split(" ");
      await server.admin.set(key, `${Number(first) - 700_000} 0 ${until}`, "KEEPTTL");
      assert.match(answerOf(await send(other, host, from)), /^250 /);
      assert.match(answerOf(await send(one, host + 1, from)), /^250 /);
    }));

  test("a rate is the rate of both together", () =>
    onQuietMoment(async (attempt) => {
      const answers: string[] = [];
      for (const edge of [one, other, one, other, one, other])
        answers.push(answerOf(await send(edge, 31 + attempt)).slice(0, 3));
      assert.deepEqual(answers, ["250", "250", "250", "250", "450", "450"]);
    }));

  test("what one learns the other shows", async () => {
    await send(one, 41);
    await waitUntil(
      () => "it is not known",
      async () => (await keys("rep")).includes("postern:rep:{client:127.0.0.41}") || undefined,
    );
    const shown = await postern(other, "reputation", "show", "127.0.0.41", "--json");
    assert.match(shown, /"ham":(?:1|0\.99)/);
  });

  test("without Redis mail flows, nobody is delayed, and each counts by itself; then all is as before", async () => {
    await server.kill();
    for (const edge of [one, other]) {
      const answers: string[] = [];
      for (let i = 0; i < 5; i++) answers.push(answerOf(await send(edge, 51)).slice(0, 3));
      assert.deepEqual(answers, ["250", "250", "250", "250", "450"]);
      assert.match(answerOf(await send(edge, 61, "new@spam.test")), /^250 /);
    }
    await one.waitForLog("redis-away");
    await server.restart();
    await one.waitForLog("redis-back");
    await waitUntil(
      () => "Redis is not used again",
      async () => /^451 /.test(answerOf(await send(other, 71, "again@spam.test"))) || undefined,
    );
  });
});
