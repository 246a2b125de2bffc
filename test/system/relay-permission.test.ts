import assert from "node:assert/strict";
import { test } from "node:test";
import { RawClient } from "../support/raw-client.ts";
import { createTestAuthority, type IssuedCertificate } from "../support/test-authority.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import { storyOf, withEdge } from "../support/with-edge.ts";

/** A way to a domain that is not ours leads through the same hub. */
const OUTSIDE = (port: number) => ({ domains: ["*"], smarthosts: [`127.0.0.1:${port}`] });

async function withListener(
  listener: Readonly<Record<string, unknown>>,
  work: (edge: TestGateway) => Promise<void>,
): Promise<void> {
  const settings = { listeners: [{ name: "front", listen: "127.0.0.1:0", ...listener }] };
  const routing = { connectors: { out: OUTSIDE(9) } };
  await withEdge({ settings, policies: { routing } }, work);
}

async function secured(edge: TestGateway, shown?: IssuedCertificate): Promise<RawClient> {
  const client = await RawClient.open({ port: edge.port });
  await client.reply();
  await client.say("STARTTLS");
  await client.secure(shown && { cert: shown.cert, key: shown.key });
  await client.say("EHLO client.test");
  return client;
}

async function plain(edge: TestGateway): Promise<RawClient> {
  const client = await RawClient.open({ port: edge.port });
  await client.reply();
  await client.say("EHLO client.test");
  return client;
}

async function tryRecipient(client: RawClient, address: string): Promise<string> {
  const mail = await client.say("MAIL FROM:<alice@example.org>");
  if (mail.code !== 250) return mail.text;
  return (await client.say(`RCPT TO:<${address}>`)).text;
}

const FOREIGN = "bob@elsewhere.test";

test("a hub listener relays for an address within its networks, and explain shows why", () =>
  withListener({ kind: "hub", from: ["127.0.0.0/8"] }, async (edge) => {
    const client = await plain(edge);
    assert.match(await tryRecipient(client, FOREIGN), /^250 /);
    await client.say("RSET");
    const decided = await edge.waitForLog("decided");
    const { record } = await storyOf(edge, String(decided.id));
    assert.deepEqual(record.relay, { by: "network", network: "127.0.0.0/8" });
    assert.deepEqual(
      Array.isArray(decided.symbols) && decided.symbols.includes("RELAY_PERMITTED"),
      true,
    );
    client.destroy();
  }));

test("a hub listener relays for no address outside its networks", () =>
  withListener({ kind: "hub", from: ["10.1.0.0/16"] }, async (edge) => {
    const client = await RawClient.open({ port: edge.port });
    assert.match((await client.reply()).text, /^554 5\.7\.1 /);
    assert.equal(await client.closed(), "");
  }));

test("a hub listener refuses routing forms from its own networks", () =>
  withListener({ kind: "hub", from: ["127.0.0.0/8"] }, async (edge) => {
    const client = await plain(edge);
    assert.match(await tryRecipient(client, "bob%elsewhere.test@example.org"), /^5/);
    assert.match((await client.say("RCPT TO:<elsewhere.test!bob@example.org>")).text, /^5/);
    client.destroy();
  }));

test("a hub listener relays for a verified certificate and for no other", async () => {
  await using ours = await createTestAuthority();
  await using theirs = await createTestAuthority("Other CA");
  const good = await ours.issue("relay.partner.test");
  const old = await ours.issue("old.partner.test", {
    dates: { from: "20200101000000Z", to: "20210101000000Z" },
  });
  const server = await ours.issue("server.partner.test", { purpose: "serverAuth" });
  const stranger = await theirs.issue("relay.partner.test");
  const self = await ours.selfSigned("relay.partner.test");
  await withListener({ kind: "hub", tls: { clientCa: ours.certFile } }, async (edge) => {
    const answers = new Map<string, string>();
    for (const [name, shown] of Object.entries({ good, old, server, stranger, self })) {
      const client = await secured(edge, shown);
      answers.set(name, (await tryRecipient(client, FOREIGN)).slice(0, 3));
      client.destroy();
    }
    const nobody = await secured(edge);
    answers.set("nobody", (await tryRecipient(nobody, FOREIGN)).slice(0, 3));
    nobody.destroy();
    const refused = ["old", "server", "stranger", "self", "nobody"];
    assert.deepEqual([...answers], [["good", "250"], ...refused.map((name) => [name, "550"])]);
    const said = edge.log.filter(({ event }) => event === "client-certificate");
    assert.deepEqual(
      said.map(({ outcome, reason }) => reason ?? outcome),
      [
        "verified",
        "it has expired",
        "it is not made for clients",
        "its authority is not the one of this listener",
        "it is self-signed and not pinned",
      ],
    );
  });
});

test("a certificate permits nothing on an internet listener", async () => {
  await using authority = await createTestAuthority();
  const shown = await authority.issue("relay.partner.test");
  await withListener({ kind: "internet" }, async (edge) => {
    const client = await secured(edge, shown);
    assert.match(await tryRecipient(client, FOREIGN), /^550 5\.7\.1 /);
    client.destroy();
  });
});

test("a partner speaks TLS, shows a known certificate, and reaches our domains only", async () => {
  await using authority = await createTestAuthority();
  const pinned = await authority.selfSigned("mail.partner.test");
  const stranger = await authority.selfSigned("mail.partner.test");
  const pin = pinned.fingerprint256.toUpperCase().replace(/(..)(?!$)/g, "$1:");
  await withListener({ kind: "partner", tls: { clientPins: [pin] } }, async (edge) => {
    const bare = await plain(edge);
    assert.match((await bare.say("MAIL FROM:<a@partner.test>")).text, /^530 5\.7\.0 /);
    const nobody = await secured(edge);
    assert.match((await nobody.say("MAIL FROM:<a@partner.test>")).text, /^550 5\.7\.1 .*none/);
    const wrong = await secured(edge, stranger);
    assert.match((await wrong.say("MAIL FROM:<a@partner.test>")).text, /^550 5\.7\.1 .*pinned/);
    const client = await secured(edge, pinned);
    assert.match(await tryRecipient(client, "alice@example.org"), /^250 /);
    assert.match((await client.say(`RCPT TO:<${FOREIGN}>`)).text, /^550 5\.7\.1 Relaying/);
    for (const one of [bare, nobody, wrong, client]) one.destroy();
  });
});

test("a listener greets with its own host name and banner", () =>
  withListener({ hostname: "mail.example.net", banner: "No spam, please" }, async (edge) => {
    const client = await RawClient.open({ port: edge.port });
    assert.equal((await client.reply()).text, "220 mail.example.net ESMTP No spam, please");
    client.destroy();
  }));
