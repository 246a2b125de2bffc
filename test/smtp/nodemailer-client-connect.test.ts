import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { CLIENT_TIMES, type ClientTimes } from "../../src/smtp/client-times.ts";
import { createSmtpConnector } from "../../src/smtp/nodemailer-client.ts";
import type { ConnectResult, SmtpConnection } from "../../src/smtp/smtp-client.ts";
import { toBytesSource } from "../support/bytes-source.ts";
import { hubFor } from "../support/scripted-hub.ts";

const NEVER = new AbortController().signal;
const TO_A: Envelope = {
  sender: null,
  recipients: [{ address: { spoken: "a@x", localPart: "a", domain: "x" } }],
  mail: { body: "7bit", smtputf8: false },
};

function connector(times: Partial<ClientTimes> = {}, authorities: string | null = null) {
  return createSmtpConnector({
    clock: createSystemClock(),
    log: createSilentLog(),
    hostname: "mx.example.org",
    resolveHost: async (host) => {
      if (host === "two.test") return ["127.0.0.9", "127.0.0.1"];
      return host === "localhost" ? ["127.0.0.1"] : [];
    },
    times: { ...CLIENT_TIMES, ...times },
    ...(authorities === null ? {} : { authorities }),
  });
}

function standing(result: ConnectResult): SmtpConnection {
  assert.ok(result.kind === "connected", JSON.stringify(result));
  return result.connection;
}

test("a port where nobody listens is a value, not a hang", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const result = await connector().connect(
    { host: "127.0.0.1", port },
    { tls: { kind: "opportunistic" } },
    NEVER,
  );
  assert.ok(result.kind === "failed");
  assert.match(result.reason, /ECONNREFUSED/);
});

test("a name without an address is a value, and so is a resolver that throws", async () => {
  const target = { host: "nowhere.test", port: 25 };
  assert.equal(
    (await connector().connect(target, { tls: { kind: "none" } }, NEVER)).kind,
    "failed",
  );
  const throwing = createSmtpConnector({
    clock: createSystemClock(),
    log: createSilentLog(),
    hostname: "mx.example.org",
    resolveHost: () => Promise.reject(new Error("dns is away")),
  });
  const result = await throwing.connect(target, { tls: { kind: "none" } }, NEVER);
  assert.deepEqual(result, { kind: "failed", reason: "dns is away", reply: null });
});

test("the second address is tried when the first refuses", async (t) => {
  const hub = await hubFor(t);
  const target = { host: "two.test", port: hub.port };
  standing(await connector().connect(target, { tls: { kind: "none" } }, NEVER)).close();
  assert.equal(hub.connections, 1);
});

test("a greeting of 421 or 554 fails with that reply", async (t) => {
  for (const greeting of ["421 4.3.2 busy", "554 5.7.1 go away"]) {
    const hub = await hubFor(t, {
      script: ({ step }) => (step === "connect" ? { drop: true, reply: greeting } : undefined),
    });
    const result = await connector().connect(
      { host: "127.0.0.1", port: hub.port },
      { tls: { kind: "none" } },
      NEVER,
    );
    assert.ok(result.kind === "failed");
    assert.equal(result.reply?.code, Number(greeting.slice(0, 3)));
  }
});

test("a hub that accepts and is mute, or drops, fails in bounded time", async (t) => {
  for (const fault of [{ hang: true as const }, { drop: true as const }, "rubbish\r\nmore"]) {
    for (const at of ["connect", "ehlo"]) {
      const hub = await hubFor(t, { script: ({ step }) => (step === at ? fault : undefined) });
      const times = { greetingMs: 60, sessionMs: 90 };
      const target = { host: "127.0.0.1", port: hub.port };
      const result = await connector(times).connect(
        target,
        { tls: { kind: "opportunistic" } },
        NEVER,
      );
      assert.equal(result.kind, "failed", `${JSON.stringify(fault)} at ${at}`);
      await hub.waitFor(() => hub.openConnections() === 0);
    }
  }
});

test("a reply without an end is cut off", async (t) => {
  const endless = "250-and so on\r\n".repeat(10_000);
  const hub = await hubFor(t, { script: ({ step }) => (step === "ehlo" ? endless : undefined) });
  const target = { host: "127.0.0.1", port: hub.port };
  const result = await connector().connect(target, { tls: { kind: "none" } }, NEVER);
  assert.ok(result.kind === "failed");
  assert.match(result.reason, /exceeds/);
});

test("an aborted attempt ends at once and leaves no connection", async (t) => {
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "ehlo" ? { hang: true } : undefined),
  });
  const controller = new AbortController();
  const target = { host: "127.0.0.1", port: hub.port };
  const attempt = connector().connect(target, { tls: { kind: "none" } }, controller.signal);
  await hub.waitFor(() => hub.lines.length === 1);
  controller.abort(new Error("enough"));
  assert.deepEqual(await attempt, { kind: "failed", reason: "enough", reply: null });
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.equal(
    (await connector().connect(target, { tls: { kind: "none" } }, controller.signal)).kind,
    "failed",
  );
});

test("a hub that knows only HELO gets its mail without extensions", async (t) => {
  const hub = await hubFor(t, {
    script: ({ step }) => (step === "ehlo" ? "502 5.5.1 what" : undefined),
  });
  const target = { host: "127.0.0.1", port: hub.port };
  const connection = standing(
    await connector().connect(target, { tls: { kind: "opportunistic" } }, NEVER),
  );
  assert.equal(connection.capabilities.eightBitMime, false);
  assert.equal((await connection.send(TO_A, toBytesSource("x\r\n"))).kind, "answered");
  connection.close();
});

test("words of the greeting line are no capabilities", async (t) => {
  const hub = await hubFor(t, {
    script: ({ step }) =>
      step === "ehlo" ? "250-hub 8BITMIME SMTPUTF8 SIZE 5\r\n250 X" : undefined,
  });
  const target = { host: "127.0.0.1", port: hub.port };
  const connection = standing(await connector().connect(target, { tls: { kind: "none" } }, NEVER));
  assert.equal(connection.capabilities.eightBitMime, false);
  assert.equal(connection.capabilities.maxBytes, null);
  connection.close();
});

test("opportunistic TLS takes any certificate", async (t) => {
  const hub = await hubFor(t, { tls: true });
  const target = { host: "localhost", port: hub.port };
  const connection = standing(
    await connector().connect(target, { tls: { kind: "opportunistic" } }, NEVER),
  );
  assert.match(connection.tls?.protocol ?? "", /^TLSv1\.[23]$/);
  await connection.send(TO_A, toBytesSource("x\r\n"));
  assert.equal(hub.messages[0]?.tls, true);
  assert.equal(hub.messages[0]?.data.toString(), "x\r\n");
  connection.close();
});

test("mode none does not use a STARTTLS that is offered", async (t) => {
  const hub = await hubFor(t, { tls: true });
  const target = { host: "localhost", port: hub.port };
  const connection = standing(await connector().connect(target, { tls: { kind: "none" } }, NEVER));
  assert.equal(connection.tls, null);
  connection.close();
});

test("opportunistic TLS goes on in the clear: refused on the same connection, broken on a new one", async (t) => {
  const refused = await hubFor(t, {
    tls: true,
    script: ({ step }) => (step === "starttls" ? "454 4.7.0 not now" : undefined),
  });
  const first = { host: "localhost", port: refused.port };
  const same = standing(
    await connector().connect(first, { tls: { kind: "opportunistic" } }, NEVER),
  );
  assert.equal(same.tls, null);
  assert.equal(same.capabilities.eightBitMime, true);
  assert.equal(refused.connections, 1);
  same.close();
  for (const fault of [{ reply: "220 go", inject: "this is no TLS\r\n".repeat(9) }]) {
    const broken = await hubFor(t, {
      capabilities: ["STARTTLS"],
      script: ({ step }) => (step === "starttls" ? fault : undefined),
    });
    const target = { host: "localhost", port: broken.port };
    const times = { greetingMs: 300 };
    const fresh = standing(
      await connector(times).connect(target, { tls: { kind: "opportunistic" } }, NEVER),
    );
    assert.equal(fresh.tls, null);
    assert.equal(broken.connections, 2);
    fresh.close();
  }
});

test("required and verified TLS never go on in the clear", async (t) => {
  const without = await hubFor(t);
  const refusing = await hubFor(t, {
    tls: true,
    script: ({ step }) => (step === "starttls" ? "454 4.7.0 not now" : undefined),
  });
  for (const hub of [without, refusing]) {
    for (const mode of ["required", "verified"] as const) {
      const tls = mode === "verified" ? { kind: mode, names: ["localhost"] } : { kind: mode };
      const target = { host: "localhost", port: hub.port };
      const result = await connector().connect(target, { tls }, NEVER);
      assert.ok(result.kind === "failed");
      assert.equal(result.tlsFault, "starttls");
      assert.ok(!hub.lines.some((line) => line.startsWith("MAIL")));
    }
  }
});

test("verified TLS wants a trusted certificate for the name or the address that is demanded", async (t) => {
  const hub = await hubFor(t, { tls: true });
  const target = { host: "localhost", port: hub.port };
  const verified = (...names: string[]) => ({ tls: { kind: "verified" as const, names } });
  const required = { tls: { kind: "required" as const } };
  standing(await connector().connect(target, required, NEVER)).close();
  const untrusted = await connector().connect(target, verified("localhost"), NEVER);
  assert.ok(untrusted.kind === "failed");
  assert.match(untrusted.reason, /self.signed/);
  assert.equal(untrusted.tlsFault, "certificate-untrusted");
  for (const host of ["localhost", "127.0.0.1"]) {
    const trusting = connector({}, hub.certificate);
    const result = await trusting.connect(
      { host, port: hub.port },
      verified("no.test", host),
      NEVER,
    );
    const connection = standing(result);
    assert.match(connection.tls?.protocol ?? "", /^TLS/);
    assert.deepEqual([connection.tls?.verified, connection.tls?.match], ["ca", host]);
    connection.close();
  }
  const other = await connector({}, hub.certificate).connect(target, verified("two.test"), NEVER);
  assert.ok(other.kind === "failed");
  assert.match(other.reason, /altnames/);
  assert.equal(other.tlsFault, "certificate-name");
  await hub.waitFor(() => hub.openConnections() === 0);
  assert.ok(!hub.lines.some((line) => line.startsWith("MAIL")));
});

test("nothing received before the handshake counts after it", async (t) => {
  for (const inject of ["250-hub.test\r\n250 SIZE 1\r\n", "250 SIZE 1", "250-SIZE 1\r\n"]) {
    const hub = await hubFor(t, {
      tls: true,
      script: ({ step }) => (step === "starttls" ? { reply: "220 go", inject } : undefined),
    });
    const target = { host: "localhost", port: hub.port };
    const result = await connector({ sessionMs: 300 }).connect(
      target,
      { tls: { kind: "required" } },
      NEVER,
    );
    if (result.kind === "failed") continue;
    assert.notEqual(result.connection.capabilities.maxBytes, 1, JSON.stringify(inject));
    result.connection.close();
  }
});

test("a hub name that could break out of EHLO is refused at once", () => {
  const options = {
    clock: createSystemClock(),
    log: createSilentLog(),
    resolveHost: async () => [],
  };
  for (const hostname of ["mx\r\nRCPT TO:<e@x>", "mx example", "", "mx\0"]) {
    assert.throws(() => createSmtpConnector({ ...options, hostname }));
  }
});
