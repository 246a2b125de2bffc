import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { RawClient } from "../support/raw-client.ts";
import { createTestExporter } from "../support/recipient-export.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { storyOf } from "../support/with-edge.ts";

const exporter = createTestExporter();
const DAY = 24 * 60 * 60_000;
const PEOPLE = ["alice@example.org", "bob@example.org"];

interface Setting {
  /** Beside the recipients of example.org. */
  readonly domain?: Readonly<Record<string, unknown>>;
  readonly recipients?: Readonly<Record<string, unknown>>;
  readonly madeAt?: number;
  readonly policies?: Readonly<Record<string, unknown>>;
  readonly workers?: number;
}

async function startEdge(context: TestContext, setting: Setting = {}): Promise<TestGateway> {
  const hub = await startScriptedHub();
  afterwards(context, () => hub.close());
  const folder = await mkdtemp(join(tmpdir(), "postern-test-"));
  await mkdir(join(folder, "policies"));
  const { madeAt = Date.now() } = setting;
  await writeFile(join(folder, "policies/r.hashed"), exporter.make(PEOPLE, { createdAt: madeAt }));
  const recipients = { hashed: "r.hashed", key: exporter.key, ...setting.recipients };
  const own = { recipients, ...setting.domain };
  const edge = await startTestGateway({
    folder,
    hubPort: hub.port,
    policies: { domains: { domains: { "example.org": own } }, ...setting.policies },
    settings: { workers: setting.workers ?? 1 },
  });
  afterwards(context, () => edge.remove());
  return edge;
}

/** As scp and rsync do it: beside the old one, then in its place. */
async function push(edge: TestGateway, bytes: Buffer): Promise<void> {
  const draft = join(edge.folder, "r.hashed.new");
  await writeFile(draft, bytes);
  await rename(draft, join(edge.folder, "policies/r.hashed"));
}

async function ask(edge: TestGateway, ...to: readonly string[]): Promise<readonly string[]> {
  const { rcpt } = await sendMail({ port: edge.port, to, message: SIMPLE_MESSAGE });
  return rcpt.map(({ text }) => text.slice(0, 9));
}

test("a tampered, a foreign and an older export leave the list in force, and each is told", async (context) => {
  const edge = await startEdge(context);
  const tampered = Buffer.from(exporter.make([...PEOPLE, "mallory@example.org"]));
  tampered.write("AAAA", tampered.length - 10);
  const pushed = [
    [tampered, /addresses were changed/],
    [createTestExporter().make(["mallory@example.org"]), /signature by this `key`/],
    [exporter.make(["mallory@example.org"], { createdAt: Date.now() - DAY }), /before the one/],
    [exporter.make(["mallory@example.org"]).subarray(0, -1), /not whole/],
  ] as const;
  for (const [bytes, expected] of pushed) {
    await push(edge, bytes);
    await edge.waitForLog("policy-rejected", ({ problems }) => expected.test(String(problems)));
    const answers = await ask(edge, "alice@example.org", "mallory@example.org");
    assert.deepEqual(answers, ["250 2.1.5", "550 5.1.1"]);
  }
});

test("lists that change under traffic are swapped whole: nobody who stays is ever refused", async (context) => {
  const session = { transactions: 1_000_000, idleCommands: 1_000_000 };
  const edge = await startEdge(context, { policies: { limits: { session } } });
  const others = Array.from({ length: 2000 }, (_, i) => `person-${i}@example.org`);
  let isOver = false;
  const seen = new Set<string>();
  const traffic = Array.from({ length: 4 }, async () => {
    const client = await RawClient.open({ port: edge.port });
    await client.reply();
    await client.say("EHLO mail.friend.test");
    while (!isOver) {
      await client.say("MAIL FROM:<carol@friend.test>");
      const alice = await client.say("RCPT TO:<alice@example.org>");
      assert.equal(alice.code, 250, alice.text);
      await client.say("RSET");
      seen.add(alice.text.slice(0, 9));
    }
    client.destroy();
  });
  const versions = new Set<unknown>();
  for (let round = 0; round < 6; round++) {
    const list = round % 2 === 0 ? [...PEOPLE, ...others] : PEOPLE;
    await push(edge, exporter.make(list));
    const { version } = await edge.waitForLog(
      "policy-reloaded",
      (line) => !versions.has(line.version),
    );
    versions.add(version);
    const [answer] = await ask(edge, "person-1999@example.org");
    assert.equal(answer, round % 2 === 0 ? "250 2.1.5" : "550 5.1.1");
  }
  isOver = true;
  await Promise.all(traffic);
  assert.deepEqual([...seen], ["250 2.1.5"]);
});

test("by a stale list nobody is unknown: taken and marked, or deferred, as the domain says", async (context) => {
  const accepting = await startEdge(context, { madeAt: Date.now() - 2 * DAY });
  const sent = await sendMail({
    ...{ port: accepting.port, message: SIMPLE_MESSAGE },
    to: ["new.one@example.org"],
  });
  assert.equal(sent.final?.code, 250);
  const { record } = await storyOf(accepting, sent.id);
  const report = record.reports.find(({ stage }) => stage === "domains");
  assert.equal(report?.verdict.findings[0]?.symbol, "RECIPIENT_LIST_STALE");
  await accepting.waitForLog("recipient-list-stale");
  const recipients = { stale: "defer" };
  const deferring = await startEdge(context, { madeAt: Date.now() - 2 * DAY, recipients });
  const answers = await ask(deferring, "alice@example.org", "new.one@example.org");
  assert.deepEqual(answers, ["250 2.1.5", "450 4.1.1"]);
});

test("a domain's own size is said at RCPT to who declares more, else after the data", async (context) => {
  const domain = { limits: { maxBytes: 65_536 } };
  const edge = await startEdge(context, { domain });
  const message = SIMPLE_MESSAGE + "x".repeat(70).concat("\r\n").repeat(1000);
  const send = (parameters?: string) =>
    sendMail({ port: edge.port, message, ...(parameters && { parameters }) });
  const declared = await send("SIZE=72000");
  assert.match(declared.rcpt[0]?.text ?? "", /^552 5\.3\.4 .*\(ref /);
  assert.equal(declared.final, null);
  const silent = await send();
  assert.match(silent.final?.text ?? "", /^552 5\.3\.4 /);
  const fitting = await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
  assert.equal(fitting.final?.code, 250);
});

test("domains of different sizes do not share a message, and a domain may have few recipients", async (context) => {
  const small = { recipients: { list: ["s@small.test"] }, limits: { maxBytes: 65_536 } };
  const few = { recipients: { list: ["@few.test"] }, limits: { recipients: 2 } };
  const domains = { domains: { "small.test": small, "few.test": few } };
  const hub = { domains: ["small.test", "few.test"], smarthosts: ["127.0.0.1:9"] };
  const policies = { domains, routing: { connectors: { hub } } };
  const edge = await startEdge(context, { policies });
  assert.deepEqual(await ask(edge, "a@few.test", "s@small.test"), ["250 2.1.5", "452 4.5.3"]);
  const answers = await ask(edge, "a@few.test", "b@few.test", "c@few.test");
  assert.deepEqual(answers, ["250 2.1.5", "250 2.1.5", "452 4.5.3"]);
});

for (const workers of [1, 2])
  test(`a harvest over many sessions is counted as one, with workers: ${workers}`, async (context) => {
    const session = { unknownSoft: 4, unknownHard: 4, unknownDelaySeconds: 0 };
    const edge = await startEdge(context, { policies: { limits: { session } }, workers });
    const guess = async (localAddress: string, n: number) => {
      const client = await RawClient.open({ port: edge.port, localAddress });
      await client.reply();
      await client.say("EHLO mail.friend.test");
      await client.say("MAIL FROM:<carol@friend.test>");
      const { text } = await client.say(`RCPT TO:<guess-${n}@example.org>`);
      await client.say("QUIT").catch(() => null);
      await client.closed();
      return text.slice(0, 9);
    };
    const answers: string[] = [];
    for (let n = 0; !answers.includes("421 4.7.0"); n++) {
      answers.push(await guess("127.0.0.9", n));
      // The last session's end may still be on its way to the door.
      assert.ok(n < 50, answers.join(", "));
    }
    assert.ok(answers.length > 4, answers.join(", "));
    assert.ok(answers.slice(0, -1).every((answer) => answer === "550 5.1.1"));
    assert.equal(await guess("127.0.0.10", 0), "550 5.1.1", "another client is another");
  });
