import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { noRbldnsd, startRbldnsd } from "../support/rbldnsd-server.ts";
import { runPostern } from "../support/run-postern.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { storyOf } from "../support/with-edge.ts";

const skip = noRbldnsd();
const ENTRY = "127.0.0.2 :127.0.0.2:Test entry";
const CALM = { dataset: "ip4set", data: `${ENTRY}\n127.0.9.9 :127.0.0.2:Spammer` } as const;
/** All the world but what a canary looks at. */
const WILD = { dataset: "ip4set", data: `127.0.0.0/8 :127.0.0.2:Everybody\n!127.0.0.1` } as const;
const POLICY = {
  dnsbl: {
    lists: [
      { zone: "wild.test", score: 6 },
      { zone: "calm.test", score: 6 },
    ],
    breaker: { factor: 4, baseline: 0.2 },
  },
};

for (const workers of [1, 2])
  test(
    `a list that lists all the world refuses some clients, then nobody, and is told of once, workers: ${workers}`,
    {
      skip,
    },
    (t) => goWild(t, workers),
  );

async function goWild(t: TestContext, workers: number): Promise<void> {
  const server = await startRbldnsd({ "wild.test": CALM, "calm.test": CALM });
  afterwards(t, () => server.stop());
  const hub = await startScriptedHub();
  afterwards(t, () => hub.close());
  const edge = await startTestGateway({
    hubPort: hub.port,
    dnsServer: server.address,
    policies: POLICY,
    settings: { workers },
  });
  afterwards(t, () => edge.remove());
  let host = 0;
  /** Each from an address of its own. */
  const send = async () => {
    host += 1;
    const localAddress = `127.0.${3 + (host >> 8)}.${host & 255}`;
    const { rcpt, id } = await sendMail({ port: edge.port, localAddress, message: SIMPLE_MESSAGE });
    return { code: rcpt[0]?.code, text: rcpt[0]?.text ?? "", id };
  };
  assert.equal((await send()).code, 250);
  await server.rewrite("wild.test", WILD);
  await waitUntil(
    () => "the list does not become wild",
    async () => ((await send()).code === 550 ? true : undefined),
  );
  let refused = 0;
  const began = performance.now();
  // Several processes tell each other once a second: then some more are refused.
  const most = workers === 1 ? 40 : 1000;
  for (let inRow = 0; inRow < 20 && refused < most; ) {
    const isRefused = (await send()).code === 550;
    inRow = isRefused ? 0 : inRow + 1;
    if (isRefused) refused += 1;
  }
  assert.ok(refused < most, `${refused} are refused`);
  assert.ok(performance.now() - began < 60_000);
  const last = await send();
  assert.equal(last.code, 250);
  await edge.waitForLog("dnsbl-zone-demoted");
  assert.equal(edge.log.filter(({ event }) => event === "dnsbl-zone-demoted").length, 1);

  await storyOf(edge, last.id);
  const explained = await runPostern(edge, "explain", last.id ?? "");
  assert.match(explained.text, /wild\.test: listed .*refuses nobody: it lists \d+ of the last \d+/);
  const stats = await runPostern(edge, "dnsbl", "stats");
  assert.equal(stats.code, 0, stats.err.join());
  assert.match(stats.text, /^\d+ clients on record since /m);
  assert.match(stats.text, /^wild\.test +6 +\d+ +0 +\d+ +\d+ \(\d+%\) +\d+ +\d+/m);
  assert.match(stats.text, /^calm\.test +6 +\d+ +0 +\d+ +0/m);
  assert.match(stats.text, /^wild\.test was demoted, and refused nobody: /m);

  // A spammer whom the other list knows is refused as ever.
  const spammer = { port: edge.port, localAddress: "127.0.9.9", message: SIMPLE_MESSAGE };
  const { rcpt } = await sendMail(spammer);
  assert.match(rcpt[0]?.text ?? "", /^550 5\.7\.1 .*127\.0\.9\.9.*calm\.test.*Spammer/);
}

test("dnsbl check asks every list now, and says what that comes to", { skip }, async (t) => {
  const server = await startRbldnsd({ "wild.test": WILD, "calm.test": CALM });
  afterwards(t, () => server.stop());
  const edge = await startTestGateway({
    hubPort: 9,
    dnsServer: server.address,
    policies: POLICY,
  });
  afterwards(t, () => edge.remove());
  const refused = await runPostern(edge, "dnsbl", "check", "127.0.9.9");
  assert.equal(refused.code, 1, refused.err.join());
  assert.match(refused.text, /^wild\.test +listed +6 +\d+ +127\.0\.0\.2: Everybody$/m);
  assert.match(refused.text, /^calm\.test +listed +6 +\d+ +127\.0\.0\.2: Spammer$/m);
  assert.match(refused.text, /^127\.0\.9\.9: 12 together, refused from 6: refused$/m);
  const json = await runPostern(edge, "dnsbl", "check", "2001:db8::1", "--json");
  assert.equal(json.code, 0);
  const { answers, total } = JSON.parse(json.text);
  assert.deepEqual([answers.length, total, answers[1].status], [2, 0, "clean"]);
  const wrong = await runPostern(edge, "dnsbl", "check", "mail.example.org");
  assert.deepEqual([wrong.code, wrong.text], [2, ""]);
  assert.match(wrong.err.join(), /expected an IP address, got mail\.example\.org/);
});
