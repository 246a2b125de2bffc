import assert from "node:assert/strict";
import { type Clock, createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import type { Address } from "../../src/mail/address.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { createSmtpConnector } from "../../src/smtp/nodemailer-client.ts";
import type { SmtpConnection } from "../../src/smtp/smtp-client.ts";
import type { ScriptedHub } from "./scripted-hub.ts";

export async function openConnection(
  hub: Pick<ScriptedHub, "port">,
  clock: Clock = createSystemClock(),
): Promise<SmtpConnection> {
  const connector = createSmtpConnector({
    clock,
    log: createSilentLog(),
    hostname: "mx.example.org",
    resolveHost: async () => ["127.0.0.1"],
  });
  const result = await connector.connect(
    { host: "localhost", port: hub.port },
    { tls: { kind: "none" } },
    new AbortController().signal,
  );
  assert.ok(result.kind === "connected", JSON.stringify(result));
  return result.connection;
}

export function addressOf(spoken: string): Address {
  return { spoken, localPart: spoken, domain: "example.org" };
}

export function envelopeTo(...recipients: string[]): Envelope {
  return {
    sender: addressOf("from@example.org"),
    recipients: recipients.map((spoken) => ({ address: addressOf(spoken) })),
    mail: { body: "7bit", smtputf8: false },
  };
}
