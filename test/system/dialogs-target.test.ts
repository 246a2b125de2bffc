import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { spawnGateway } from "../support/gateway-process.ts";
import { startScriptedHub } from "../support/scripted-hub.ts";
import { writeGatewayFiles } from "../support/test-gateway.ts";

const DIALOGS = join(import.meta.dirname, "../dialogs");
/** Greeting with a host name, TLS, messages taken and refused, ends by the server. */
const PLAYED = [
  "connect/greeting-names-the-listener.smtp",
  "connect/http-request-is-closed.smtp",
  "data/bare-lf-is-refused.smtp",
  "data/two-messages-go-through-one-session.smtp",
  "pipelining/envelope-may-come-in-one-segment.smtp",
  "rcpt/relaying-is-refused.smtp",
  "session/vrfy-tells-nothing.smtp",
  "tls/commands-behind-starttls-are-dropped.smtp",
  "tls/mail-comes-through-tls.smtp",
];
const SKIPPED = "data/message-over-the-limit-is-refused.smtp";

interface Played {
  readonly status: number | string | null | undefined;
  readonly output: string;
}

function play(...args: readonly string[]): Promise<Played> {
  const script = join(DIALOGS, "play.ts");
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) =>
      resolve({ status: error ? error.code : 0, output: stdout + stderr }),
    );
  });
}

test("dialogs come true against a gateway that runs already, and fail against another server", async () => {
  await using cleanUp = new AsyncDisposableStack();
  const hub = await startScriptedHub();
  cleanUp.defer(() => hub.close());
  const folder = await mkdtemp(join(tmpdir(), "postern-test-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const policies = { domains: { domains: { "example.org": { verify: "off" } } } };
  const settingsFile = await writeGatewayFiles(folder, { hubPort: hub.port, policies });
  const gateway = spawnGateway({ settingsFile });
  cleanUp.defer(() => gateway.stop());
  const files = [...PLAYED, SKIPPED].map((file) => join(DIALOGS, file));
  const target = `127.0.0.1:${await gateway.listening()}`;
  const played = await play("--target", target, ...files);
  assert.equal(played.status, 0, played.output);
  assert.match(played.output, new RegExp(`^${PLAYED.length} ok, 0 failed, 1 skipped$`, "m"));
  assert.ok(hub.messages.length >= 3, `the hub has ${hub.messages.length} messages`);
  // That hub knows no VRFY and takes a bare LF for text.
  const other = await play("--target", `127.0.0.1:${hub.port}`, ...files);
  assert.equal(other.status, 1, other.output);
  assert.match(other.output, /^FAILED {2}data\/bare-lf-is-refused\.smtp$/m);
});

test("a target that is none is wrong usage", async () => {
  for (const args of [[], ["--target", "nowhere"], ["--target", "::1:25"]]) {
    const { status, output } = await play(...args);
    assert.deepEqual([status, output.startsWith("usage: ")], [2, true], args.join(" "));
  }
});
