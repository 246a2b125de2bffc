import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { afterwards } from "../support/afterwards.ts";
import { PEER_BODY, receivedOver, toPeerPolicies } from "../support/peer-mail.ts";
import { type FoundProgram, findProgram } from "../support/programs.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { startTestGateway } from "../support/test-gateway.ts";

interface Letter {
  readonly port: number;
  readonly tls: boolean;
  readonly to: string;
  /** A file with the whole message. */
  readonly file: string;
}

interface Client {
  readonly name: string;
  readonly program: FoundProgram;
  readonly toArguments: (letter: Letter) => readonly string[];
  /** The file that it wants for a message. */
  readonly toFile: (message: Buffer) => Buffer;
}

const SMTPLIB = `
import smtplib, ssl, sys
port, tls, to, file = int(sys.argv[1]), sys.argv[2] == "true", sys.argv[3], sys.argv[4]
with smtplib.SMTP("127.0.0.1", port, timeout=20) as server:
    server.ehlo("client.friend.test")
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        server.starttls(context=context)
        server.ehlo("client.friend.test")
    server.sendmail("carol@friend.test", [to], open(file, "rb").read(), ["BODY=8BITMIME"])
`;

const CLIENTS: readonly Client[] = [
  {
    name: "swaks",
    program: findProgram("swaks"),
    toArguments: ({ port, tls, to, file }) => [
      ...["--server", `127.0.0.1:${port}`, "--helo", "client.friend.test"],
      ...["--from", "carol@friend.test", "--to", to, "--data", `@${file}`],
      // Else it changes the text: lines that begin with From, blank lines at the end.
      ...["--no-data-fixup", "--timeout", "20"],
      ...(tls ? ["--tls"] : []),
    ],
    // As on the wire: it ends the last line itself.
    toFile: (message) =>
      Buffer.from(`${message.toString("latin1").replaceAll(/^\./gm, "..")}.`, "latin1"),
  },
  {
    name: "Python's smtplib",
    program: findProgram("python3"),
    toArguments: ({ port, tls, to, file }) => ["-c", SMTPLIB, `${port}`, `${tls}`, to, file],
    toFile: (message) => message,
  },
];

const HEADER = "From: <carol@friend.test>\r\nTo: <alice@example.org>\r\nSubject: octets\r\n\r\n";
const toDigest = (octets: Buffer) => createHash("sha256").update(octets).digest("hex");

async function makeScene(t: TestContext, client: Client, laterAtDot = false) {
  const stack = new AsyncDisposableStack();
  afterwards(t, () => stack.disposeAsync());
  const hub = await startScriptedHub({
    script: ({ step }) => (laterAtDot && step === "dot" ? "451 4.3.0 not now" : undefined),
  });
  stack.defer(() => hub.close());
  const edge = await startTestGateway({ hubPort: hub.port, policies: toPeerPolicies(hub.port) });
  stack.defer(() => edge.remove());
  const folder = mkdtempSync(join(tmpdir(), "postern-client-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "letter");
  writeFileSync(file, client.toFile(Buffer.concat([Buffer.from(HEADER), PEER_BODY])));
  return { hub, edge, file };
}

function send({ program, toArguments }: Client, letter: Letter) {
  return new Promise<{ failed: boolean; said: string }>((resolve) => {
    const environment = { ...process.env, ...program.env };
    execFile(program.path, toArguments(letter), { env: environment }, (error, out, err) =>
      resolve({ failed: error !== null, said: out + err }),
    );
  });
}

for (const client of CLIENTS) {
  const options = { skip: client.program.skip };
  for (const tls of [false, true]) {
    const way = tls ? "over TLS" : "in plain text";
    test(`${client.name} delivers ${way}, the body octet for octet`, options, async (t) => {
      const { hub, edge, file } = await makeScene(t, client);
      const letter = { port: edge.port, tls, to: "alice@example.org", file };
      const { failed, said } = await send(client, letter);
      assert.equal(failed, false, said);
      const [message] = await hub.waitForMessages(1);
      const data = message!.data;
      assert.equal(toDigest(data.subarray(data.indexOf("\r\n\r\n") + 4)), toDigest(PEER_BODY));
      assert.match(data.toString("latin1"), receivedOver({ tls }));
    });
  }

  test(
    `${client.name} tells of our 550 and of our 451, and delivers nothing`,
    options,
    async (t) => {
      const { hub, edge, file } = await makeScene(t, client, true);
      const letter = { port: edge.port, tls: true, file };
      const refused = await send(client, { ...letter, to: "nobody@example.org" });
      assert.equal(refused.failed, true);
      assert.match(refused.said, /550|5\.1\.1/);
      const later = await send(client, { ...letter, to: "alice@example.org" });
      assert.equal(later.failed, true);
      assert.match(later.said, /451|4\.3\.0/);
      assert.equal(hub.messages.length, 0);
    },
  );
}
