import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type FakeDns, startFakeDns } from "../support/fake-dns.ts";
import { postern } from "../support/postern-command.ts";
import { type SentMail, SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";
import { withEdge } from "../support/with-edge.ts";

const LISTED = "127.0.0.66";
const POLICIES = {
  dnsbl: { lists: [{ zone: "bl.test", score: 6, canary: false }] },
  limits: { connections: { newPerClientPerMinute: 10_000 } },
  // Who asks again and again with bad mail would be blocked for that.
  reputation: { srl: { blockAt: null } },
};
const EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*\r\n";

let dns: FakeDns;

before(async () => {
  dns = await startFakeDns({
    "66.0.0.127.bl.test": { A: ["127.0.0.4"], TXT: ["Listed"] },
    "friend.test": { A: ["192.0.2.25"], TXT: ["v=spf1 ip4:127.0.0.66 -all"] },
    "other.test": { A: ["192.0.2.25"], TXT: ["v=spf1 -all"] },
  });
});
after(() => dns.close());

const send = (edge: TestGateway, from = "carol@friend.test", localAddress = LISTED) =>
  sendMail({ port: edge.port, from, localAddress, message: SIMPLE_MESSAGE });

const isTaken = ({ final }: SentMail) => final?.code === 250;

function inForce(edge: TestGateway, from?: string): Promise<SentMail> {
  return waitUntil(
    () => "the exception does not take effect",
    async () => {
      const sent = await send(edge, from);
      return isTaken(sent) ? sent : undefined;
    },
  );
}

test("an exception from a refused message lets its proven sender past the list, and nobody else", async () => {
  await withEdge({ dnsServer: dns.address, policies: POLICIES }, async (edge) => {
    const refused = await send(edge);
    assert.match(refused.rcpt[0]?.text ?? "", /^550 5\.7\.1 .*bl\.test/);
    const words = ["--from-message", refused.id ?? "", "--reason", "ticket 4711"];
    const added = await waitUntil(
      () => "the message is not stored",
      async () => {
        const answer = await postern(edge, "allow", "add", ...words);
        return answer.code === 0 ? answer : undefined;
      },
    );
    assert.match(
      added.text,
      /^[0-9a-f]{10} {2}carol@friend\.test is let past dnsbl(?:, [a-z-]+)*\n +in force within a second, until \d{4}-/,
    );
    const sent = await inForce(edge);
    const told = await postern(edge, "explain", sent.id ?? "");
    const id = added.text.slice(0, 10);
    assert.match(told.text, /spf-access: trust in dnsbl/);
    assert.ok(told.text.includes(`carol@friend.test: ticket 4711 (allow entry ${id} by jane)`));
    for (const from of ["dave@friend.test", "carol@other.test"])
      assert.match((await send(edge, from)).rcpt[0]?.text ?? "", /^550 5\.7\.1 /, from);
  });
});

test("a sender whom nobody proves is let past only when that was asked for", async () => {
  await withEdge({ dnsServer: dns.address, policies: POLICIES }, async (edge) => {
    const words = ["allow", "add", "--domain", "other.test", "--scope", "dnsbl", "--reason", "r"];
    assert.equal((await postern(edge, ...words)).code, 0);
    const client = await postern(
      edge,
      "allow",
      "add",
      "--sender",
      "carol@friend.test",
      "--reason",
      "r",
    );
    assert.equal(client.code, 0);
    await inForce(edge);
    assert.match((await send(edge, "x@other.test")).rcpt[0]?.text ?? "", /^550 5\.7\.1 /);
    assert.equal((await postern(edge, ...words, "--unauthenticated")).code, 0);
    await inForce(edge, "x@other.test");
    const { text } = await postern(edge, "allow", "list");
    assert.match(text, /other\.test \(unproven\)/);
  });
});

test("a block by command refuses at once what was taken before, and ends with its removal", async () => {
  await withEdge({ dnsServer: dns.address, policies: POLICIES }, async (edge) => {
    const ask = () => send(edge, "x@friend.test", "127.0.0.77");
    assert.ok(isTaken(await ask()));
    const words = ["--subdomains", "friend.test", "--reason", "never stops", "--expires", "1h"];
    const added = await postern(edge, "block", "add", ...words);
    assert.match(added.text, /friend\.test and \*\.friend\.test is refused\n/);
    await waitUntil(
      () => "the block does not take effect",
      async () => (/^554 5\.1\.0 /.test((await ask()).rcpt[0]?.text ?? "") ? true : undefined),
    );
    const removed = await postern(edge, "block", "remove", added.text.slice(0, 10));
    assert.equal(removed.code, 0);
    await waitUntil(
      () => "the removal does not take effect",
      async () => (isTaken(await ask()) ? true : undefined),
    );
    for (const wrong of [
      ["allow", "add", "--reason", "r"],
      ["allow", "add", "--client", "192.0.2.1", "--domain", "a.test", "--reason", "r"],
      ["allow", "add", "--client", "192.0.2.1"],
      ["allow", "add", "--client", "192.0.2.1", "--reason", "r", "--expires", "soon"],
      ["block", "add", "--client", "192.0.2.1", "--reason", "r", "--scope", "spf"],
    ])
      assert.equal((await postern(edge, ...wrong)).code, 2, wrong.join(" "));
  });
});

test("entries of access.yaml are listed with their line and how often they were of use", async () => {
  const sender = { domains: ["friend.test"] };
  const access = {
    allow: [
      { client: "192.0.2.0/24", reason: "over", expires: "2001-01-01" },
      { client: LISTED, scope: ["dnsbl"], reason: "ticket 4711" },
    ],
    block: [{ sender, reason: "never stops" }],
  };
  const policies = { ...POLICIES, access };
  await withEdge({ dnsServer: dns.address, policies }, async (edge) => {
    for (let i = 0; i < 2; i++)
      assert.match((await send(edge)).rcpt[0]?.text ?? "", /^554 5\.1\.0 /);
    const words = ["block", "add", "--client", "192.0.2.9", "--reason", "r"];
    assert.equal((await postern(edge, ...words)).code, 0);
    // Its line in the file: the entry above it has ended, and is not listed.
    const used = /^access\.yaml:5 +127\.0\.0\.66 +dnsbl +no end +2 +\d{4}-.* ticket 4711$/m;
    const text = await waitUntil(
      () => "the uses are not counted",
      async () => {
        const list = await postern(edge, "allow", "list");
        return used.test(list.text) ? list.text : undefined;
      },
    );
    assert.doesNotMatch(text, /over/);
    const listed = (await postern(edge, "block", "list", "--json")).text.split("\n");
    const [made, written] = listed.map((line) => JSON.parse(line));
    assert.deepEqual([made.source, made.by, made.hits], ["command", "jane", 0]);
    const place = { source: "file", file: "access.yaml", line: 10 };
    const { lastHit, ...rest } = written;
    assert.equal(typeof lastHit, "number");
    const terms = { list: "block", whom: "friend.test", scope: null, authenticated: true };
    assert.deepEqual(rest, { ...place, ...terms, reason: "never stops", until: null, hits: 2 });
    assert.equal((await postern(edge, "block", "list", "--unused")).text.includes("access"), false);
    assert.equal((await postern(edge, "block", "remove", "access.yaml:10")).code, 1);
  });
});

test("whom everything is allowed is not allowed malware, and no exception is made from it", async () => {
  const edgeOptions = { dnsServer: dns.address, policies: POLICIES };
  await withEdge({ ...edgeOptions, clamd: ["127.0.0.1:9"] }, async (edge) => {
    const words = ["allow", "add", "--client", LISTED, "--reason", "all of it"];
    assert.equal((await postern(edge, ...words)).code, 0);
    const message = SIMPLE_MESSAGE.replace("Hello Alice\r\n", EICAR);
    const sent = await waitUntil(
      () => "the exception does not take effect",
      async () => {
        const one = await sendMail({ port: edge.port, localAddress: LISTED, message });
        return one.rcpt[0]?.code === 250 ? one : undefined;
      },
    );
    // The scanner is away: what cannot be scanned is not clean, whoever brings it.
    assert.match(sent.final?.text ?? "", /^451 /);
    const from = await waitUntil(
      () => "the message is not stored",
      async () => {
        const words = ["--from-message", sent.id ?? "", "--reason", "r"];
        const answer = await postern(edge, "allow", "add", ...words);
        return /nothing is stored/.test(answer.err) ? undefined : answer;
      },
    );
    assert.equal(from.code, 1);
    assert.match(from.err, /antivirus/);
  });
});
