import assert from "node:assert/strict";
import { test } from "node:test";
import { startFakeDns } from "../support/fake-dns.ts";
import { findFreeTcpPort } from "../support/free-port.ts";
import { type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

// Two gateways, each of which takes the other for the hub of example.org (threats.md P10).

const ZONE = {
  "friend.test": { TXT: ["v=spf1 ip4:127.0.0.0/8 -all"] },
  "example.org": { TXT: ["v=spf1 ip4:127.0.0.0/8 -all"] },
};

interface Loop {
  readonly first: TestGateway;
  readonly second: TestGateway;
  /** Where everything but example.org goes. */
  readonly outside: ScriptedHub;
}

async function withLoop(ack: "hub" | "spool", work: (loop: Loop) => Promise<void>): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const dns = await startFakeDns(ZONE);
  cleanUp.defer(() => dns.close());
  const outside = await startScriptedHub();
  cleanUp.defer(() => outside.close());
  const [one, two] = [await findFreeTcpPort(), await findFreeTcpPort()];
  const start = async (hostname: string, port: number, hubPort: number) => {
    const connectors = {
      hub: { domains: ["example.org"], smarthosts: [`127.0.0.1:${hubPort}`] },
      out: { domains: ["*"], smarthosts: [`127.0.0.1:${outside.port}`] },
    };
    const gateway = await startTestGateway({
      hubPort,
      dnsServer: dns.address,
      policies: {
        routing: { connectors },
        domains: { domains: { "example.org": { verify: "off", ack } } },
      },
      settings: { hostname, listeners: [{ name: "internet", listen: `127.0.0.1:${port}` }] },
    });
    cleanUp.defer(() => gateway.remove());
    return gateway;
  };
  const first = await start("mx1.example.org", one, two);
  const second = await start("mx2.example.org", two, one);
  await work({ first, second, outside });
}

const linesOf = ({ first, second }: Loop, event: string) =>
  [...first.log, ...second.log].filter((line) => line.event === event);

/** Every message that a gateway took has been given away, bounced or held. */
async function untilQuiet(loop: Loop, ending: string): Promise<void> {
  await waitUntil(
    () => `no ${ending}: ${JSON.stringify(linesOf(loop, "decided").slice(-3))}`,
    () => linesOf(loop, ending)[0],
    60_000,
  );
  await waitUntil(
    () => "something is still on its way",
    () => {
      const taken = linesOf(loop, "decided").filter(({ via }) => via === "spool").length;
      const bounces = linesOf(loop, "bounced").length;
      const given = linesOf(loop, "delivered").length + linesOf(loop, "refused").length;
      return given === taken + bounces ? true : undefined;
    },
    60_000,
  );
}

test("a loop of hubs that pass on while they listen ends in the client's own session", () =>
  withLoop("hub", async (loop) => {
    const sent = await sendMail({ port: loop.first.port, message: SIMPLE_MESSAGE });
    assert.match(sent.final?.text ?? "", /^554 5\.4\.6 /);
    assert.equal(loop.outside.messages.length, 0);
    assert.deepEqual([linesOf(loop, "held"), linesOf(loop, "bounced")], [[], []]);
  }));

test("a loop through spools ends with one bounce to a sender who proved to be one", () =>
  withLoop("spool", async (loop) => {
    const sent = await sendMail({ port: loop.first.port, message: SIMPLE_MESSAGE });
    assert.equal(sent.final?.code, 250);
    await untilQuiet(loop, "bounced");
    const passes = linesOf(loop, "decided").length;
    // Each of the two had passed it on four times.
    assert.equal(passes, 9);
    assert.equal(loop.outside.messages.length, 1);
    assert.deepEqual(loop.outside.messages[0]?.recipients, ["carol@friend.test"]);
    assert.match(loop.outside.messages[0]?.data.toString() ?? "", /^Status: 5\.4\.6\r$/m);
    assert.equal(linesOf(loop, "held").length, 0);
  }));

test("a loop with a forged sender ends in quarantine, and nobody is told", () =>
  withLoop("spool", async (loop) => {
    const from = "victim@elsewhere.test";
    await sendMail({ port: loop.first.port, from, message: SIMPLE_MESSAGE });
    await untilQuiet(loop, "held");
    assert.equal(loop.outside.connections, 0);
    assert.deepEqual(
      linesOf(loop, "held").map(({ cause }) => cause),
      ["undeliverable"],
    );
    assert.equal(linesOf(loop, "bounced").length, 0);
  }));

test("a bounce that goes round in circles itself is held, and not bounced again", () =>
  withLoop("spool", async (loop) => {
    const from = "bob@example.org";
    await sendMail({ port: loop.first.port, from, message: SIMPLE_MESSAGE });
    await untilQuiet(loop, "held");
    assert.equal(linesOf(loop, "bounced").length, 1);
    assert.equal(linesOf(loop, "held").length, 1);
    assert.equal(loop.outside.connections, 0);
  }));
