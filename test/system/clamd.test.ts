import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import type { Resolver } from "../../src/net/resolver.ts";
import { createScanner } from "../../src/stages/antivirus/clamd-scanner.ts";
import { eicarTestFile } from "../../src/stages/antivirus/eicar.ts";
import { scanMessage } from "../../src/stages/antivirus/scan-message.ts";
import type { Scanner } from "../../src/stages/antivirus/scanner.ts";
import { afterwards } from "../support/afterwards.ts";
import { noClamd, type RunningClamd, startPrivateClamd } from "../support/private-clamd.ts";
import { waitUntil } from "../support/wait-until.ts";

const skip = noClamd();
const options = { scanParts: true, maxBytes: 100 * 1024 * 1024 };
const never = new AbortController().signal;
const NO_DNS: Resolver = {
  lookup: async () => ({ kind: "none", reason: "nxdomain" }),
  networkQueries: () => 0,
  close() {},
};

let clamd: RunningClamd;

before(async () => {
  if (!skip) clamd = await startPrivateClamd({ streamMaxBytes: 2 * 1024 * 1024 });
});
after(async () => {
  if (!skip) await clamd.stop();
});

function scannerOf(t: TestContext, addresses: readonly string[]): Scanner {
  const clock = createSystemClock();
  const [log, metrics] = [createSilentLog(), createMetrics()];
  const scanner = createScanner({ addresses, clock, log, metrics, resolver: NO_DNS });
  afterwards(t, () => scanner.close());
  return scanner;
}

function message(...lines: readonly string[]) {
  const octets = Buffer.from(lines.join("\r\n"));
  return {
    size: octets.length,
    async *read() {
      for (let at = 0; at < octets.length; at += 65536) yield octets.subarray(at, at + 65536);
    },
  };
}

function withAttachment(content: Buffer, ...headers: readonly string[]) {
  const body = (content.toString("base64").match(/.{1,76}/g) ?? []).join("\r\n");
  return message(
    "From: a@example.net",
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "--b",
    "Content-Type: text/plain",
    "",
    "see attachment",
    "--b",
    "Content-Type: application/octet-stream",
    "Content-Transfer-Encoding: base64",
    ...headers,
    "",
    body,
    "--b--",
    "",
  );
}

async function scan(scanner: Scanner, mail: ReturnType<typeof message>) {
  return scanner.run((open) => scanMessage(mail, open, options), never);
}

test("clean mail is clean, over TCP and over the socket", { skip }, async (t) => {
  for (const address of clamd.addresses) {
    const outcome = await scan(scannerOf(t, [address]), message("Subject: hello", "", "hello"));
    assert.deepEqual(outcome.result, { kind: "clean" });
    assert.match(outcome.version ?? "", /^ClamAV \d/);
  }
});

test("EICAR is found as it is, in base64 and in a zip file", { skip }, async (t) => {
  const scanner = scannerOf(t, clamd.addresses);
  const eicar = Buffer.from(eicarTestFile());
  const found = { kind: "infected", name: "Test.Eicar.UNOFFICIAL" };
  for (const mail of [
    message("Subject: x", "", eicarTestFile()),
    withAttachment(eicar),
    withAttachment(zipOf("readme.txt", eicar), "Content-Disposition: attachment"),
  ]) {
    assert.deepEqual((await scan(scanner, mail)).result, found);
  }
});

test("what clamd's own parser does not decode is found in the decoded part", {
  skip,
}, async (t) => {
  const base64 = Buffer.from(eicarTestFile()).toString("base64");
  const headers = ["Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64"];
  const inner = Buffer.from([...headers, "", base64].join("\r\n")).toString("base64");
  for (const mail of [
    // Padding in the middle.
    message("MIME-Version: 1.0", ...headers, "", "eA==", base64),
    // A message in base64, which RFC 2046 5.2.1 forbids.
    message("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", "", inner),
  ]) {
    const { answer, result } = await scan(scannerOf(t, clamd.addresses), mail);
    assert.deepEqual(answer?.raw, { kind: "clean" });
    assert.deepEqual(result, { kind: "infected", name: "Test.Eicar.UNOFFICIAL" });
  }
});

test("an encrypted archive is not clean", { skip }, async (t) => {
  const zip = zipOf("secret.txt", Buffer.from("nobody can look inside"), { encrypted: true });
  const { result } = await scan(scannerOf(t, clamd.addresses), withAttachment(zip));
  assert.ok(result.kind === "infected");
  assert.match(result.name, /^Heuristics\.Encrypted\./);
});

test("a message over clamd's stream limit is not scanned, and the next one is", {
  skip,
}, async (t) => {
  const scanner = scannerOf(t, clamd.addresses);
  const { result } = await scan(scanner, message("Subject: x", "", "y".repeat(4 * 1024 * 1024)));
  // clamd says so and resets the connection: now and then its words are lost on the way.
  assert.ok(result.kind === "not-scanned");
  assert.ok(result.class === "too-big" || result.class === "error", result.reason);
  assert.equal((await scan(scanner, message("Subject: next", "", "x"))).result.kind, "clean");
});

test("two hundred scans at once are all answered", { skip }, async (t) => {
  const scanner = scannerOf(t, [clamd.addresses[1]]);
  const mail = withAttachment(Buffer.alloc(20_000, "a"));
  const outcomes: string[] = [];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 50; i++) outcomes.push((await scan(scanner, mail)).result.kind);
    }),
  );
  assert.deepEqual(new Set(outcomes), new Set(["clean"]));
});

test("a clamd that is killed, then started again, scans without our restart", {
  skip,
}, async (t) => {
  const own = await startPrivateClamd();
  afterwards(t, () => own.stop());
  const scanner = scannerOf(t, own.addresses);
  const mail = message("Subject: x", "", "x");
  assert.equal((await scan(scanner, mail)).result.kind, "clean");
  await own.kill();
  const away = await scan(scanner, mail);
  assert.deepEqual(
    [away.result.kind, "class" in away.result && away.result.class],
    ["not-scanned", "down"],
  );
  await own.restart();
  await waitUntil(
    () => "mail does not pass again",
    async () => ((await scan(scanner, mail)).result.kind === "clean" ? true : undefined),
    30_000,
  );
});

test("a clamd that hangs is told within seconds, and scans when it goes on", {
  skip,
}, async (t) => {
  const own = await startPrivateClamd();
  afterwards(t, () => own.stop());
  const scanner = scannerOf(t, [own.addresses[0]]);
  const mail = message("Subject: x", "", "x");
  assert.equal((await scan(scanner, mail)).result.kind, "clean");
  own.pause();
  const started = performance.now();
  const hung = await scan(scanner, mail);
  assert.deepEqual(
    [hung.result.kind, "class" in hung.result && hung.result.class],
    ["not-scanned", "down"],
  );
  assert.ok(performance.now() - started < 20_000);
  own.resume();
  await waitUntil(
    () => "mail does not pass again",
    async () => ((await scan(scanner, mail)).result.kind === "clean" ? true : undefined),
    30_000,
  );
});

/** A zip file with one deflated entry. `encrypted` sets the flag and puts noise in its place. */
function zipOf(name: string, content: Buffer, { encrypted = false } = {}): Buffer {
  const data = encrypted ? Buffer.alloc(content.length + 12, 0x5a) : deflateRawSync(content);
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt16LE(encrypted ? 1 : 0, 2);
  common.writeUInt16LE(encrypted ? 0 : 8, 4);
  common.writeUInt32LE(crc32(content), 10);
  common.writeUInt32LE(data.length, 14);
  common.writeUInt32LE(content.length, 18);
  common.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
  const central = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00"),
    common,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}
