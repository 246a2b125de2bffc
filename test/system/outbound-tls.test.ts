import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { describeStory } from "../../src/cli/explain.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import type { TestGateway } from "../support/test-gateway.ts";
import {
  buildInternet,
  cleanUp,
  domainOf,
  type Internet,
  PLAIN,
  skip,
} from "../support/tls-internet.ts";
import { storyOf } from "../support/with-edge.ts";

let net: Internet;

before(async () => {
  if (!skip) net = await buildInternet();
});
after(() => cleanUp.disposeAsync());

async function send(edge: TestGateway, name: string): Promise<string | null> {
  const to = [`a@${domainOf(name)}`];
  const order = { port: edge.port, from: "alice@example.org", to, message: SIMPLE_MESSAGE };
  const { final, id } = await sendMail(order);
  assert.equal(final?.code, 250, `${final?.text}`);
  return id;
}

/** How it went, as `explain` tells it. */
async function story(edge: TestGateway, id: string | null): Promise<string> {
  const lines = describeStory(await storyOf(edge, id));
  return lines.slice(lines.indexOf("Fate") + 1).join("\n");
}

async function delivered(edge: TestGateway, name: string): Promise<string> {
  const id = await send(edge, name);
  await edge.waitForLog("delivered", (line) => line.id === id);
  return story(edge, id);
}

/** It is spooled, and put off again when it is tried again. */
async function refused(edge: TestGateway, name: string): Promise<string> {
  const id = await send(edge, name);
  const domain = domainOf(name);
  const { reason } = await edge.waitForLog("hub-failed", (line) =>
    String(line.destination).endsWith(`/${domain}`),
  );
  assert.ok(!edge.log.some((line) => line.event === "delivered" && line.id === id), domain);
  return String(reason);
}

describe("mail to the mail servers of the internet", { skip }, () => {
  let edge: TestGateway;
  before(async () => {
    if (!skip) edge = await net.start(1);
  });
  after(() => edge?.stop());

  it("goes where DNSSEC vouches for the certificate or its authority, and explain says so", async () => {
    const matched = await delivered(edge, "match");
    assert.match(matched, /127\.0\.0\.2, TLSv1\.\d, DANE 3 1 1 [0-9a-f]{64}, DANE, 1 TLSA record/);
    assert.match(await delivered(edge, "ta"), /DANE 2 1 1 [0-9a-f]{64}/);
  });

  it("waits where the certificate is not the one that DNSSEC describes", async () => {
    assert.match(await refused(edge, "mismatch"), /matches none of the TLSA records/);
    assert.match(await refused(edge, "ta-name"), /for other names than mx-ta-name\.signed\.test/);
  });

  it("heeds the TLSA records behind an alias, and those of an alias that leaves the signed zone", async () => {
    const told = await delivered(edge, "alias");
    assert.match(told, /DANE 3 1 1 [0-9a-f]{64}, DANE, 1 TLSA record of mx\.signed\.test/);
    for (const name of ["alias-mismatch", "alias-leaving"])
      assert.match(await refused(edge, name), /matches none of the TLSA records/);
  });

  it("goes in TLS that nobody checks where the TLSA records cannot be used", async () => {
    const told = await delivered(edge, "unusable");
    assert.match(told, /TLSv1\.\d, certificate not checked, DANE, none of the TLSA records/);
  });

  it("waits where the TLSA records are forged, and never goes without", async () => {
    assert.match(
      await refused(edge, "forged"),
      /DANE cannot be asked: .* the server said SERVFAIL/,
    );
  });

  it("goes under MTA-STS enforce to the host that is allowed and valid", async () => {
    const told = await delivered(edge, "enforce");
    assert.match(
      told,
      /certificate for mx\.plain\.test, MTA-STS enforce, mx\.plain\.test is allow/,
    );
  });

  it("waits under MTA-STS enforce for another name and for a host that is not allowed", async () => {
    assert.match(await refused(edge, "enforce-name"), /for other altnames than mx-other\.plain/);
    assert.match(await refused(edge, "enforce-mx"), /does not allow the host mx\.plain\.test/);
  });

  it("waits where a policy demands TLS and somebody took STARTTLS away", async () => {
    assert.match(await refused(edge, "stripped"), /no STARTTLS: .* \(DANE, 1 TLSA record\)$/);
    assert.match(await refused(edge, "enforce-stripped"), /no STARTTLS: .* \(MTA-STS enforce, /);
    assert.ok(!net.stripped.lines.some((line) => /^(MAIL|RCPT|DATA)/.test(line)));
  });

  it("goes in mode testing and without a policy, whatever the certificate", async () => {
    assert.match(
      await delivered(edge, "testing"),
      /MTA-STS testing, mx-other\.plain\.test is allow/,
    );
    assert.match(await delivered(edge, "nothing"), /certificate not checked/);
    const told = edge.log.find(
      (line) => line.event === "tls-session" && line.domain === domainOf("testing"),
    );
    const { type } = (told?.failure ?? {}) as { readonly type?: string };
    assert.equal(type, "certificate-host-mismatch");
  });

  it("has arrived for those whose server was the right one, and for nobody else", async () => {
    const right = ["match", "ta", "alias", "unusable", "enforce", "testing", "nothing"].map(
      domainOf,
    );
    const messages = await net.postfix.waitForMessages(right.length);
    const arrived = messages.map(({ recipient }) => recipient.split("@")[1] ?? "");
    assert.deepEqual(arrived.toSorted(), right.toSorted());
  });
});

describe("several gateway processes", { skip }, () => {
  it("heed a policy that was fetched before, without its host, and count sessions together", async () => {
    net.policies.say({ status: 500, body: "" });
    for (const name of PLAIN) net.policies.say(null, `mta-sts.${domainOf(name)}`);
    const asked = net.policies.requests.length;
    const edge = await net.start(2);
    try {
      const id = await send(edge, "enforce");
      const told = await edge.waitForLog("delivered", (line) => line.id === id);
      assert.equal(told.tlsPolicy, "MTA-STS enforce, mx.plain.test is allowed");
      await refused(edge, "enforce-name");
      assert.equal(net.policies.requests.length, asked);
    } finally {
      await edge.stop();
    }
    const db = new DatabaseSync(join(net.folder, "data/tracking/tracking.db"));
    const rows = db
      .prepare("SELECT sum(count) AS sessions FROM tls_sessions WHERE domain = ?")
      .get(domainOf("enforce"));
    db.close();
    assert.equal(rows?.sessions, 2);
  });
});
