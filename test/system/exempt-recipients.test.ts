import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eicarTestFile } from "../../src/stages/antivirus/eicar.ts";
import { type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { noClamd, type RunningClamd, startPrivateClamd } from "../support/private-clamd.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { type SentMail, SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";

// RFC 5321 4.5.1, RFC 2142: whoever is refused must be able to tell postmaster and abuse so.

const skip = noClamd();
const LISTED = "127.0.0.66";
const ZONE = {
  "2.0.0.127.bl.test": { A: ["127.0.0.2"] },
  "66.0.0.127.bl.test": { A: ["127.0.0.2"], TXT: ["Listed here"] },
  "forged.test": { TXT: ["v=spf1 -all"] },
  "doubtful.test": { TXT: ["v=spf1 ~all"] },
};
const BLOCKED = "127.0.0.77";
const POLICIES = {
  access: { block: [{ client: BLOCKED, reason: "a test" }] },
  dnsbl: { rejectAt: 6, lists: [{ zone: "bl.test", score: 6 }] },
  "sender-auth": { spf: { fail: "reject", scores: { softfail: 20 } } },
  pipeline: {
    thresholds: { quarantine: 7, reject: 15 },
    // Mail from inside is not asked for SPF unless policy says so.
    outbound: { phases: { mail: { steps: [["own-sender", "sender-rate"], ["spf"]] } } },
  },
};
const EXEMPT = [
  "postmaster@example.org",
  "PostMaster@EXAMPLE.org",
  "abuse@example.org",
  "postmaster",
];

let hub: ScriptedHub;
let dns: FakeDns;
let clamd: RunningClamd;
let edge: TestGateway;

before(async () => {
  if (skip) return;
  hub = await startScriptedHub();
  dns = await startFakeDns(ZONE);
  clamd = await startPrivateClamd();
  edge = await startTestGateway({
    hubPort: hub.port,
    dnsServer: dns.address,
    clamd: [clamd.addresses[0]],
    policies: {
      ...POLICIES,
      routing: { connectors: { any: { domains: ["*"], smarthosts: [`127.0.0.1:${hub.port}`] } } },
    },
    settings: {
      listeners: [
        { name: "internet", listen: "127.0.0.1:0" },
        { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
      ],
    },
  });
});

after(async () => {
  await edge?.remove();
  await clamd?.stop();
  await dns?.close();
  await hub?.close();
});

type Trouble = Partial<Parameters<typeof sendMail>[0]>;

const send = (trouble: Trouble, ...to: readonly string[]): Promise<SentMail> =>
  sendMail({ port: edge.port, message: SIMPLE_MESSAGE, to, ...trouble });

const TROUBLES: readonly (readonly [what: string, trouble: Trouble, refusal: RegExp])[] = [
  ["a client on a DNSBL", { localAddress: LISTED }, /^550 5\.7\.1 .*bl\.test.*Listed here/],
  ["mail that fails SPF", { from: "carol@forged.test" }, /^550 5\.7\.23 /],
  ["mail of too high a score", { from: "carol@doubtful.test" }, /^550 5\.7\.1 .*spam/],
  [
    "all of these at once",
    { localAddress: LISTED, from: "carol@forged.test" },
    /^550 5\.7\.(?:1|23) /,
  ],
];

for (const [what, trouble, refusal] of TROUBLES)
  test(`${what} is refused for a person and taken for postmaster and abuse`, { skip }, async () => {
    const person = await send(trouble, "alice@example.org");
    assert.match(person.rcpt[0]?.text ?? "", refusal);
    for (const address of EXEMPT) {
      const before = hub.messages.length;
      const sent = await send(trouble, address);
      assert.equal(sent.final?.code, 250, `${address}: ${(sent.final ?? sent.rcpt[0])?.text}`);
      await hub.waitForMessages(before + 1);
      const message = hub.messages[before];
      assert.deepEqual(message?.recipients, [address]);
      assert.match(message?.data.toString("latin1") ?? "", /^X-Postern-Report: .*\bscore=0;/m);
    }
  });

test("a message to both reaches the postmaster alone", { skip }, async () => {
  const before = hub.messages.length;
  const sent = await send({ localAddress: LISTED }, "alice@example.org", "postmaster@example.org");
  assert.deepEqual(
    sent.rcpt.map(({ code }) => code),
    [550, 250],
  );
  assert.equal(sent.final?.code, 250);
  await hub.waitForMessages(before + 1);
  assert.deepEqual(hub.messages[before]?.recipients, ["postmaster@example.org"]);
});

test("a name that only looks like theirs is a person's", { skip }, async () => {
  const names = ["postmaster-x@example.org", "abuse+y@example.org", '"abuse"@example.org'];
  for (const address of names) {
    const { rcpt } = await send({ localAddress: LISTED }, address);
    assert.equal(rcpt[0]?.code, 550, address);
  }
});

test("nobody becomes ours by being called postmaster", { skip }, async () => {
  for (const address of ["postmaster@elsewhere.test", "abuse@elsewhere.test"]) {
    const { rcpt } = await send({}, address);
    assert.match(rcpt[0]?.text ?? "", /^550 5\.7\.1 /);
  }
});

test("what is relayed to others is judged, whoever it is for", { skip }, async () => {
  const port = edge.gateway.listeners.find(({ name }) => name === "inside")?.port ?? 0;
  const order = { port, from: "carol@forged.test", message: SIMPLE_MESSAGE };
  const { rcpt } = await sendMail({ ...order, to: ["postmaster@elsewhere.test"] });
  assert.match(rcpt[0]?.text ?? "", /^550 5\.7\.23 /);
  assert.equal((await sendMail({ ...order, to: ["postmaster"] })).final?.code, 250);
});

test("malware is refused for postmaster and abuse as for anybody", { skip }, async () => {
  const message = `From: <carol@friend.test>\r\nSubject: Look\r\n\r\n${eicarTestFile()}\r\n`;
  const before = hub.messages.length;
  for (const address of ["alice@example.org", ...EXEMPT]) {
    const { final } = await send({ message }, address);
    assert.match(final?.text ?? "", /^550 5\.7\.1 .*\(ref /, address);
    assert.match(final?.text ?? "", /eicar/i, address);
  }
  for (const [, trouble] of TROUBLES) {
    const { final } = await send({ ...trouble, message }, "postmaster@example.org");
    assert.match(final?.text ?? "", /^550 5\.7\.1 .*eicar/i);
  }
  assert.equal(hub.messages.length, before);
});

test("a client whom the operator blocks is refused for them too", { skip }, async () => {
  const { rcpt } = await send({ localAddress: BLOCKED }, "postmaster@example.org");
  assert.match(rcpt[0]?.text ?? "", /^550 5\.7\.1 /);
});

test("a forbidden attachment is refused for them too", { skip }, async () => {
  const message =
    'From: <carol@friend.test>\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name="a.exe"\r\n' +
    'Content-Disposition: attachment; filename="a.exe"\r\n\r\nMZ\r\n';
  const { final } = await send({ message }, "abuse@example.org");
  assert.match(final?.text ?? "", /^550 5\.7\.1 /);
});
