import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { needsRoot } from "../support/mail-peer.ts";
import { LETTER, MESSAGE, withUsers } from "../support/outbound-scene.ts";
import { startPostfixPeer } from "../support/postfix-peer.ts";
import { findProgram } from "../support/programs.ts";
import { waitUntil } from "../support/wait-until.ts";

for (const mechanism of ["PLAIN", "LOGIN"]) {
  const swaks = findProgram("swaks");
  test(`swaks logs on with ${mechanism}`, { skip: swaks.skip }, () =>
    withUsers({}, async ({ edge, hub }) => {
      const send = (password: string) =>
        new Promise<string>((resolve) => {
          const to = ["--server", `127.0.0.1:${edge.port}`, "--tls", "--timeout", "60"];
          const who = ["--auth-user", "alice@example.org", "--auth-password", password];
          const mail = ["--from", LETTER.from, "--to", LETTER.to, "--helo", "client.test"];
          const options = [...to, "--auth", mechanism, ...who, ...mail];
          const environment = { ...process.env, ...swaks.env };
          execFile(swaks.path, options, { env: environment }, (_, out, err) => resolve(out + err));
        });
      assert.match(await send("secret"), /235 2\.7\.0[\s\S]*250 2\.0\.0 Message accepted/);
      await hub.waitForMessages(1);
      assert.match(await send("wrong"), /535 5\.7\.8 Authentication failed/);
    }),
  );
}

/** Of the same package as the mechanisms of SASL that Postfix uses. */
const skipPostfix = findProgram("saslpluginviewer").skip || findProgram("postfix").skip;

test("Postfix logs on with its own library of SASL", { skip: needsRoot(skipPostfix) }, () =>
  withUsers({}, async ({ edge, hub }) => {
    const login = { name: "alice@example.org", password: "secret" };
    const postfix = await startPostfixPeer({ gatewayPort: edge.port, tls: true, login });
    try {
      await postfix.submit({ ...LETTER, message: Buffer.from(MESSAGE) });
      const [message] = await hub.waitForMessages(1, 60_000);
      assert.equal(message?.sender, LETTER.from);
      const logon = await edge.waitForLog("logon");
      assert.equal(logon.user, "Alice@example.org");
    } finally {
      await postfix.stop();
    }
  }),
);

test("openssl reads the offer within TLS alone, and logs on by hand", () =>
  withUsers({}, async ({ edge }) => {
    const openssl = findProgram("openssl");
    const to = ["-connect", `127.0.0.1:${edge.port}`, "-starttls", "smtp", "-quiet", "-crlf"];
    const child = execFile(openssl.path, ["s_client", ...to]);
    let said = "";
    child.stdout?.on("data", (text: string) => {
      said += text;
    });
    const step = async (line: string, answer: RegExp) => {
      child.stdin?.write(`${line}\n`);
      await waitUntil(
        () => `no ${answer} in ${said}`,
        () => answer.test(said) || undefined,
      );
    };
    await step("EHLO client.test", /^250 AUTH PLAIN LOGIN\r?$/m);
    await step("AUTH LOGIN", /^334 VXNlcm5hbWU6\r?$/m);
    await step(Buffer.from("alice@example.org").toString("base64"), /^334 UGFzc3dvcmQ6\r?$/m);
    await step(Buffer.from("secret").toString("base64"), /^235 2\.7\.0 /m);
    const ended = once(child, "exit");
    await step("QUIT", /^221 /m);
    child.stdin?.end();
    await ended;
  }));
