import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { createSmtpConnector } from "../../src/smtp/nodemailer-client.ts";
import type { ConnectResult } from "../../src/smtp/smtp-client.ts";
import { afterwards } from "../support/afterwards.ts";
import {
  type HubAction,
  type HubEvent,
  type HubOptions,
  type ScriptedHub,
  startScriptedHub,
} from "../support/scripted-hub.ts";

const NEVER = new AbortController().signal;
const AUTH = { user: "edge", password: "open sesame" };
const base64 = (text: string) => Buffer.from(text).toString("base64");

interface Tried {
  readonly result: ConnectResult;
  readonly hub: ScriptedHub;
  readonly log: string;
}

async function tryOn(
  t: TestContext,
  options: HubOptions,
  tls: "none" | "opportunistic" | "required" = "required",
): Promise<Tried> {
  const hub = await startScriptedHub({ tls: true, ...options });
  afterwards(t, () => hub.close());
  const lines: string[] = [];
  const connector = createSmtpConnector({
    clock: createSystemClock(),
    log: createLog({ level: "debug", format: "json", write: (line) => void lines.push(line) }),
    hostname: "mx.example.org",
    resolveHost: async () => ["127.0.0.1"],
  });
  const how = { tls: { kind: tls }, auth: AUTH } as const;
  const result = await connector.connect({ host: "localhost", port: hub.port }, how, NEVER);
  if (result.kind === "connected") result.connection.close();
  return { result, hub, log: lines.join("\n") };
}

/** Answers AUTH and its continuations in turn. */
function answering(...replies: readonly string[]): (event: HubEvent) => HubAction {
  const left = [...replies];
  return ({ step }) => (step === "other" ? left.shift() : undefined);
}

function saidInAuth(hub: ScriptedHub): readonly string[] {
  const at = hub.lines.findIndex((line) => line.startsWith("AUTH"));
  return at < 0 ? [] : hub.lines.slice(at).filter((line) => line !== "QUIT");
}

test("PLAIN is said in one line, LOGIN in three where a server has nothing else", async (t) => {
  const plain = await tryOn(t, {
    capabilities: ["AUTH LOGIN PLAIN"],
    script: answering("235 2.7.0 welcome"),
  });
  assert.equal(plain.result.kind, "connected");
  assert.deepEqual(saidInAuth(plain.hub), [`AUTH PLAIN ${base64("\0edge\0open sesame")}`]);
  const login = await tryOn(t, {
    capabilities: ["AUTH=LOGIN"],
    script: answering("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 2.7.0 welcome"),
  });
  assert.equal(login.result.kind, "connected");
  assert.deepEqual(saidInAuth(login.hub), ["AUTH LOGIN", base64("edge"), base64("open sesame")]);
});

test("a server that refuses the user, or offers no way to say it, gets no mail", async (t) => {
  const cases: readonly HubOptions[] = [
    { capabilities: ["AUTH PLAIN"], script: answering("535 5.7.8 no") },
    { capabilities: ["AUTH PLAIN"], script: answering("334 more?") },
    { capabilities: ["AUTH LOGIN"], script: answering("535 5.7.8 no") },
    { capabilities: ["AUTH LOGIN"], script: answering("334 VXNlcm5hbWU6", "454 4.7.0 later") },
    { capabilities: ["AUTH CRAM-MD5"] },
    { capabilities: [] },
  ];
  for (const options of cases) {
    const { result, log } = await tryOn(t, options);
    assert.ok(result.kind === "failed", JSON.stringify(options));
    assert.equal(result.isOurAuth, true);
    const told = `${JSON.stringify(result)}${log}`;
    for (const secret of [AUTH.password, base64(AUTH.password), base64("\0edge\0open sesame")])
      assert.ok(!told.includes(secret), told);
  }
});

test("a server that closes at AUTH counts as away, whoever we are", async (t) => {
  const { result } = await tryOn(t, {
    capabilities: ["AUTH PLAIN"],
    script: ({ step }) => (step === "other" ? { drop: true, reply: "421 4.3.2 bye" } : undefined),
  });
  assert.ok(result.kind === "failed");
  assert.equal(result.reply?.code, 421);
  assert.equal(result.isOurAuth, false);
});

test("the password is never said in the clear, whatever a server offers there", async (t) => {
  for (const tls of ["none", "opportunistic"] as const) {
    const { result, hub } = await tryOn(
      t,
      { tls: false, capabilities: ["AUTH PLAIN LOGIN"], script: answering("235 2.7.0 welcome") },
      tls,
    );
    assert.equal(result.kind, "failed");
    assert.deepEqual(saidInAuth(hub), []);
  }
});

test("what AUTH is offered in the clear counts for nothing inside TLS", async (t) => {
  const { result, hub } = await tryOn(t, {
    capabilities: [],
    script: ({ step, count }) =>
      step === "ehlo" && count === 1 ? "250-hub.test\r\n250-AUTH PLAIN\r\n250 STARTTLS" : undefined,
  });
  assert.equal(result.kind, "failed");
  assert.deepEqual(saidInAuth(hub), []);
});
