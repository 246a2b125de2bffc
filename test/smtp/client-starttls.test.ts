import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { CLIENT_TIMES, type ClientTimes } from "../../src/smtp/client-times.ts";
import { createSmtpConnector } from "../../src/smtp/nodemailer-client.ts";
import { afterwards } from "../support/afterwards.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";

/**
 * Somebody between us and the hub may say whatever he likes before the handshake; nothing of it
 * may count after it (threats.md P4, RFC 3207 6).
 */
const NEVER = new AbortController().signal;
const TO_A: Envelope = {
  sender: null,
  recipients: [{ address: { spoken: "a@x", localPart: "a", domain: "x" } }],
  mail: { body: "8bitmime", smtputf8: false },
};
const MESSAGE = Buffer.from("Subject: x\r\n\r\nx\r\n");
/** What is said in the clear, and by nobody in TLS. */
const LIE = "250-evil.test\r\n250-DSN\r\n250 SIZE 1";
const INJECTED = [
  `${LIE}\r\n`,
  `${LIE}\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n250 2.0.0 queued\r\n`,
  "\r\n".repeat(20),
  `\r\n${LIE}\r\n`,
  "250 2.0.0 ok\r\n".repeat(100),
  "220 go again\r\n",
  "220 go again\r\n250-evil.test\r\n",
  "250-evil.test\r\n",
  "250-",
  "25",
  "\r",
  LIE,
  "421 4.3.2 bye\r\n",
  "550 5.7.1 refused\r\n",
  "no reply at all\r\n",
];

async function hubFor(context: TestContext, options: HubOptions): Promise<ScriptedHub> {
  const hub = await startScriptedHub({ capabilities: ["SIZE 1000"], tls: true, ...options });
  afterwards(context, () => hub.close());
  return hub;
}

/** `verified`: the certificate of this hub is trusted, so that the mode stands for an honest hub. */
function connect(
  hub: ScriptedHub,
  mode: "opportunistic" | "required" | "verified",
  times: Partial<ClientTimes> = {},
) {
  const connector = createSmtpConnector({
    clock: createSystemClock(),
    log: createSilentLog(),
    hostname: "mx.example.org",
    resolveHost: async () => ["127.0.0.1"],
    times: { ...CLIENT_TIMES, ...times },
    ...(hub.certificate && { authorities: hub.certificate }),
  });
  const tls = mode === "verified" ? { kind: mode, names: ["localhost"] } : { kind: mode };
  return connector.connect({ host: "localhost", port: hub.port }, { tls }, NEVER);
}

/** False when there is no session, which is right as well: the injected octets are no handshake. */
async function isEstablishedAndTrue(
  hub: ScriptedHub,
  times: Partial<ClientTimes>,
  about: string,
): Promise<boolean> {
  const result = await connect(hub, "verified", times);
  if (result.kind === "failed") {
    assert.ok(!hub.lines.some((line) => /^MAIL/i.test(line)), about);
    return false;
  }
  const { connection } = result;
  assert.notEqual(connection.tls, null, about);
  const { maxBytes, dsn } = connection.capabilities;
  assert.deepEqual({ maxBytes, dsn }, { maxBytes: 1000, dsn: false }, about);
  const outcome = await connection.send(TO_A, toBytesSource(MESSAGE));
  assert.ok(outcome.kind === "answered", `${about} ${JSON.stringify(outcome)}`);
  const fates = outcome.fates.map(({ kind, reply }) => [kind, reply.code]);
  assert.deepEqual(fates, [["refused", 550]], about);
  connection.close();
  return true;
}

test("replies injected behind the 220 to STARTTLS answer nothing inside TLS", async (t) => {
  let established = 0;
  for (const inject of INJECTED) {
    const hub = await hubFor(t, {
      script: ({ step }) => {
        if (step === "starttls") return { reply: "220 go", inject };
        return step === "rcpt" ? "550 5.1.1 unknown" : undefined;
      },
    });
    // A reply cut in the middle holds the handshake up until this.
    const times = { sessionMs: 1000 };
    if (await isEstablishedAndTrue(hub, times, JSON.stringify(inject))) established += 1;
  }
  assert.ok(established > 0, "no session stood in which anything could count");
});

test("replies injected ahead of our STARTTLS answer nothing inside TLS", async (t) => {
  const answers = "250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n250 2.0.0 queued\r\n";
  const ahead = ["220 go\r\n", `220 go\r\n${LIE}\r\n`, `220 go\r\n${LIE}\r\n${answers}`];
  for (const inject of [...ahead, `220 go\r\n${LIE}`, `${LIE}\r\n220 go\r\n${LIE}\r\n${answers}`]) {
    for (const at of ["connect", "ehlo"] as const) {
      const hub = await hubFor(t, {
        script: ({ step, count }) => {
          if (step === "rcpt") return "550 5.1.1 unknown";
          if (step !== at || count > 1) return undefined;
          const reply = at === "connect" ? "220 hub" : "250-hub.test\r\n250 STARTTLS";
          return { reply, inject };
        },
      });
      await isEstablishedAndTrue(hub, { sessionMs: 1000 }, JSON.stringify([at, inject]));
    }
  }
});

test("what EHLO offered in the clear is forgotten inside TLS, more as well as less", async (t) => {
  const lies = [
    "250-hub.test\r\n250-STARTTLS\r\n250-DSN\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 SIZE 1",
    "250-hub.test\r\n250 STARTTLS",
  ];
  for (const lie of lies) {
    const hub = await hubFor(t, {
      capabilities: ["8BITMIME", "SIZE 1000"],
      script: ({ step, count }) => (step === "ehlo" && count === 1 ? lie : undefined),
    });
    for (const mode of ["opportunistic", "required", "verified"] as const) {
      const result = await connect(hub, mode);
      assert.ok(result.kind === "connected", JSON.stringify(result));
      const { connection } = result;
      assert.deepEqual(connection.capabilities, {
        eightBitMime: true,
        smtpUtf8: false,
        dsn: false,
        pipelining: false,
        maxBytes: 1000,
        sizeOffered: true,
      });
      assert.equal((await connection.send(TO_A, toBytesSource(MESSAGE))).kind, "answered");
      connection.close();
    }
    const [message] = hub.messages;
    assert.equal(message?.mailLine, `MAIL FROM:<> SIZE=${MESSAGE.length} BODY=8BITMIME`);
    assert.equal(message?.tls, true);
  }
});

test("a hub that knows only HELO inside TLS offers nothing, whatever EHLO offered before", async (t) => {
  const hub = await hubFor(t, {
    capabilities: ["8BITMIME", "DSN", "SIZE 1"],
    script: ({ step, count }) => (step === "ehlo" && count === 2 ? "502 5.5.1 what" : undefined),
  });
  const result = await connect(hub, "opportunistic");
  assert.ok(result.kind === "connected", JSON.stringify(result));
  const { capabilities, tls } = result.connection;
  assert.notEqual(tls, null);
  assert.deepEqual(
    [capabilities.eightBitMime, capabilities.dsn, capabilities.sizeOffered],
    [false, false, false],
  );
  result.connection.close();
});

test("a second reply where one is due ends the session: no answer moves to another question", async (t) => {
  const hub = await hubFor(t, {
    script: ({ step }) => {
      if (step === "mail") return { reply: "250 2.1.0 ok", inject: "250 2.1.5 ok\r\n" };
      return step === "rcpt" ? "550 5.1.1 unknown" : undefined;
    },
  });
  const result = await connect(hub, "verified");
  assert.ok(result.kind === "connected");
  const outcome = await result.connection.send(TO_A, toBytesSource(MESSAGE));
  assert.deepEqual([outcome.kind, hub.messages.length], ["unsent", 0]);
});
