import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type TestContext, test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { noExim, startEximPeer } from "../support/exim-peer.ts";
import type { MailPeer, PeerOptions } from "../support/mail-peer.ts";
import { noOpenSmtpd, startOpenSmtpdPeer } from "../support/opensmtpd-peer.ts";
import { PEER_BODY, receivedOver, toPeerPolicies } from "../support/peer-mail.ts";
import { noPostfix } from "../support/postfix-hub.ts";
import { startPostfixPeer } from "../support/postfix-peer.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { startTestGateway } from "../support/test-gateway.ts";

interface KnownPeer {
  readonly name: string;
  readonly skip: string | false;
  readonly start: (options: PeerOptions) => Promise<MailPeer>;
}

const PEERS: readonly KnownPeer[] = [
  { name: "Postfix", skip: noPostfix(), start: startPostfixPeer },
  { name: "Exim", skip: noExim(), start: startEximPeer },
  { name: "OpenSMTPD", skip: noOpenSmtpd(), start: startOpenSmtpdPeer },
];
const ARRIVAL_MS = 30_000;

interface Scene {
  readonly peer: MailPeer;
  readonly hub: ScriptedHub;
}

async function makeScene(
  t: TestContext,
  { start }: KnownPeer,
  options: { readonly tls: boolean; readonly hub?: HubOptions },
): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  afterwards(t, () => stack.disposeAsync());
  const hub = await startScriptedHub(options.hub);
  stack.defer(() => hub.close());
  const edge = await startTestGateway({ hubPort: hub.port, policies: toPeerPolicies(hub.port) });
  stack.defer(() => edge.remove());
  const peer = await start({ gatewayPort: edge.port, tls: options.tls });
  stack.defer(() => peer.stop());
  return { peer, hub };
}

function mailTo(to: string) {
  const header = `From: <carol@friend.test>\r\nTo: <${to}>\r\nSubject: octets\r\n\r\n`;
  const message = Buffer.concat([Buffer.from(header), PEER_BODY]);
  return { from: "carol@friend.test", to, message };
}

function bodyDigest(data: Buffer): string {
  const body = data.subarray(data.indexOf("\r\n\r\n") + 4);
  return createHash("sha256").update(body).digest("hex");
}

const SENT = createHash("sha256").update(PEER_BODY).digest("hex");

for (const known of PEERS) {
  const { name, skip } = known;
  const options = { skip };
  for (const tls of [false, true]) {
    test(
      `${name} delivers ${tls ? "over TLS" : "in plain text"}, the body octet for octet`,
      options,
      async (t) => {
        const { peer, hub } = await makeScene(t, known, { tls });
        await peer.submit(mailTo("alice@example.org"));
        const [message] = await hub.waitForMessages(1, ARRIVAL_MS);
        assert.ok(message);
        assert.equal(message.sender, "carol@friend.test");
        assert.deepEqual(message.recipients, ["alice@example.org"]);
        assert.equal(bodyDigest(message.data), SENT);
        assert.match(message.data.toString("latin1"), receivedOver({ tls }));
      },
    );
  }

  test(`${name} tells its sender of our 550`, options, async (t) => {
    const { peer, hub } = await makeScene(t, known, { tls: true });
    await peer.submit(mailTo("nobody@example.org"));
    const [bounce] = await hub.waitForMessages(1, ARRIVAL_MS);
    assert.ok(bounce);
    assert.equal(bounce.sender, "");
    assert.deepEqual(bounce.recipients, ["carol@friend.test"]);
    assert.match(bounce.data.toString("latin1"), /550[ -]5\.1\.1/);
    assert.equal(hub.messages.length, 1);
  });

  test(`${name} keeps a message that we answer 451 and sends it again`, options, async (t) => {
    const later: HubOptions = {
      script: ({ step, count }) =>
        step === "dot" && count === 1 ? "451 4.3.0 not now" : undefined,
    };
    const { peer, hub } = await makeScene(t, known, { tls: false, hub: later });
    await peer.submit(mailTo("alice@example.org"));
    await peer.waitUntilKept();
    await peer.retry();
    const [message] = await hub.waitForMessages(1, ARRIVAL_MS);
    assert.ok(message);
    assert.equal(hub.count("dot"), 2);
    assert.equal(bodyDigest(message.data), SENT);
  });
}
