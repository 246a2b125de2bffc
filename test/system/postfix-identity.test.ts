import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { after, before, test } from "node:test";
import { eicarTestFile } from "../../src/stages/antivirus/eicar.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { startFakeDns } from "../support/fake-dns.ts";
import {
  bodyOf,
  type HubMessage,
  noPostfix,
  type PostfixHub,
  startPostfixHub,
} from "../support/postfix-hub.ts";
import { noClamd, startPrivateClamd } from "../support/private-clamd.ts";
import { noRbldnsd, startRbldnsd } from "../support/rbldnsd-server.ts";
import { type SentMail, SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

/**
 * The whole gateway between real servers: clamd, rbldnsd and, as the hub, Postfix. What Postfix
 * stores has LF line ends and its own fields in front; nothing else may differ.
 */
const skip = noPostfix() || noClamd() || noRbldnsd();
const python = conformanceData("python-email");
const ruby = conformanceData("ruby-mail");

const BLOCK_LIST = {
  dataset: "ip4set",
  data: "127.0.0.2 :127.0.0.2:Test entry\n127.0.0.66 :127.0.0.4:Listed, see https://bl.test/$",
} as const;

const cleanUp = new AsyncDisposableStack();
let hub: PostfixHub;
let edge: TestGateway;

before(async () => {
  if (skip) return;
  hub = await startPostfixHub({
    domains: ["example.org"],
    // By default it drops an inbound Return-Path.
    main: { message_drop_headers: "" },
  });
  cleanUp.defer(() => hub.stop());
  const clamd = await startPrivateClamd();
  cleanUp.defer(() => clamd.stop());
  const blockList = await startRbldnsd({ "bl.test": BLOCK_LIST });
  cleanUp.defer(() => blockList.stop());
  const dns = await startFakeDns({
    "friend.test": { TXT: ["v=spf1 ip4:127.0.0.0/8 -all"], MX: [[10, "mail.friend.test"]] },
    "mail.friend.test": { A: ["127.0.0.1"] },
    "1.0.0.127.in-addr.arpa": { PTR: ["mail.friend.test"] },
  });
  cleanUp.defer(() => dns.close());
  edge = await startTestGateway({
    hubPort: hub.port,
    clamd: clamd.addresses,
    policies: {
      dnsbl: { lists: [{ zone: "bl.test", score: 6 }], rejectAt: 6 },
      limits: { connections: { newPerClientPerMinute: 1000 } },
      // The data sets are full of mail that names no sender, or several.
      "sender-auth": { from: { malformed: "stamp", scores: { malformed: 0 } } },
    },
    // rbldnsd refuses what is not in its zone, and so the other is asked.
    settings: { dns: { servers: [blockList.address, dns.address], timeoutMs: 2000 } },
  });
  cleanUp.defer(() => edge.remove());
});

after(() => cleanUp.disposeAsync());

interface Sample {
  /** Below the folder of all data sets. */
  readonly name: string;
  /** As sent: lines end in CRLF. */
  readonly message: Buffer;
}

function samplesOf(folder: string, isWanted: (name: string) => boolean): readonly Sample[] {
  const root = resolve(folder, "..");
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => isWanted(relative(root, path)))
    .sort()
    .map((path) => ({ name: relative(root, path), message: readFileSync(path) }));
}

const isMessage = (name: string): boolean =>
  /^(python-email\/msg_.*|ruby-mail\/(emails\/.*(\.eml|\/sample_output_multipart)|.*\.eml))$/.test(
    name,
  );

/** As a client sends it: without the line that mail folders put in front of a message. */
function asOnTheWire({ name, message }: Sample): Sample {
  const text = message
    .toString("latin1")
    .replace(/^From [^\n]*\n/, "")
    .replace(/\r?\n/g, "\r\n");
  return { name, message: Buffer.from(text.endsWith("\r\n") ? text : `${text}\r\n`, "latin1") };
}

/** Octets that no message may hold (RFC 5321 2.3.8 and 4.1.1.4). */
function hasBareOctets(message: Buffer): boolean {
  return /\0|\r(?!\n)|(?<!\r)\n/.test(message.toString("latin1"));
}

function arrived({ id }: SentMail): Promise<HubMessage> {
  return waitUntil(
    () => `message ${id} did not arrive`,
    async () => (await hub.messages()).find(({ raw }) => raw.includes(`X-Postern-Id: ${id}\n`)),
  );
}

const sha256 = (octets: Buffer): string => createHash("sha256").update(octets).digest("hex");

/** As it would stand in the hub's file. */
const withLf = (octets: Buffer): Buffer =>
  Buffer.from(octets.toString("latin1").replaceAll("\r\n", "\n"), "latin1");

const OUR_FIELDS = /^(Received|Authentication-Results|Received-SPF|X-Postern-\w+|X-Spam-\w+)$/;
const POSTFIX_FIELDS = /^(Return-Path|X-Original-To|Delivered-To|Received)$/;

/** What came, octet for octet, below nothing but the fields that the hub and we add. */
function assertIdentical({ raw }: HubMessage, expected: Buffer, name: string): void {
  const below = withLf(expected);
  assert.ok(raw.subarray(-below.length).equals(below), `${name} was changed`);
  // A message may have no header of its own; with a line above it has one.
  const body = bodyOf(Buffer.concat([Buffer.from("X:\n"), below]));
  assert.equal(sha256(bodyOf(raw)), sha256(body), `${name}: the body was changed`);
  const above = raw.subarray(0, raw.length - below.length).toString("latin1");
  for (const field of above.replace(/\n[ \t]+/g, " ").split("\n")) {
    const [fieldName = ""] = field.split(":");
    const isAdded = POSTFIX_FIELDS.test(fieldName) || OUR_FIELDS.test(fieldName) || field === "";
    assert.ok(isAdded, `${name}: ${field} was added`);
  }
}

/**
 * Header lines that do not arrive as sent: `[why, as sent, as it arrives]`. The body of none of
 * these messages changes.
 */
const CHANGED_HEADERS: Readonly<Record<string, readonly (readonly [string, RegExp, string])[]>> = {
  "python-email/msg_19.txt": [["Postfix ends the header", /^/, "\r\n"]],
  "python-email/msg_35.txt": [["Postfix ends the header", /(?=counter to RFC 2822)/, "\r\n"]],
  "ruby-mail/emails/error_emails/empty_group_lists.eml": [
    ["claims to be ours", /^X-Spam-Status: Yes\r\n/m, ""],
  ],
  "ruby-mail/emails/error_emails/header_fields_with_empty_values.eml": [
    ["header firewall", /^X-MS-Exchange-Organization-AuthAs: .*\r\n/m, ""],
    ["header firewall", /^X-MS-Exchange-Organization-AuthSource: .*\r\n/m, ""],
  ],
  "ruby-mail/emails/error_emails/multiple_references_with_one_invalid.eml": [
    ["Postfix ends the header", /(?=something@bar\.net>)/, "\r\n"],
  ],
  "ruby-mail/emails/error_emails/trademark_character_in_subject.eml": [
    ["claims to be ours", /^X-Spam-Level: .*\r\n/m, ""],
    ["claims to be ours", /^X-Spam-Status: .*\r\n(?:[ \t].*\r\n)*/m, ""],
  ],
  "ruby-mail/emails/multipart_report_emails/report_422.eml": [
    ["claims to be ours", /^X-Spam-Status: No\r\n/m, ""],
  ],
  "ruby-mail/emails/multipart_report_emails/report_530.eml": [
    ["claims to be ours", /^X-Spam-Status: No\r\n/m, ""],
  ],
  "ruby-mail/emails/plain_emails/raw_email_bad_time.eml": [
    ["claims to be ours", /^X-Spam-Status: Yes\r\n/m, ""],
  ],
  "ruby-mail/emails/plain_emails/raw_email_incorrect_header.eml": [
    ["Postfix ends the header", /(?=quite Delivered-To)/, "\r\n"],
  ],
  "ruby-mail/emails/rfc2822/example13.eml": [
    ["Postfix takes blanks before a colon away", /^To {4}:/m, "To:"],
    ["Postfix ends the header", /(?=__\r\n)/, "\r\n"],
  ],
};

function expectedOf({ name, message }: Sample): Buffer {
  let text = message.toString("latin1");
  for (const [why, sent, arrives] of CHANGED_HEADERS[name] ?? []) {
    assert.match(text, sent, `${name} no longer shows: ${why}`);
    text = text.replace(sent, arrives);
  }
  return Buffer.from(text, "latin1");
}

/** What becomes of the few messages whose attachments readers may take for others. */
const STOPPED: ReadonlyMap<string, string> = new Map([
  // Multiparts without the boundary that they name, or without any: some readers guess one.
  ["python-email/msg_17.txt", "quarantine"],
  ["python-email/msg_25.txt", "quarantine"],
  ["python-email/msg_41.txt", "quarantine"],
  // Fields of a part stand where no part is, since the boundary is missing.
  ["python-email/msg_31.txt", "quarantine"],
  // message/external-body (RFC 2046 5.2.3) passes every scanner.
  ["python-email/msg_36.txt", "reject"],
  // multipart/alternative and text/plain at once.
  ["ruby-mail/emails/error_emails/multiple_content_types.eml", "quarantine"],
  // Its last boundary has one dash too few: a reader by RFC 2046 5.1.1 sees one part more.
  ["ruby-mail/emails/mime_emails/raw_email4.eml", "quarantine"],
]);

async function actionOn({ id }: SentMail): Promise<unknown> {
  return (await edge.waitForLog("decided", (line) => line.id === id)).action;
}

test("every message of the data sets arrives at Postfix with its body octet for octet", {
  skip: skip || python.skip || ruby.skip,
}, async () => {
  const samples = [python, ruby].flatMap(({ folder }) => samplesOf(folder, isMessage));
  assert.ok(samples.length >= 150, `only ${samples.length} messages were found`);
  const ready = samples.map(asOnTheWire);
  assert.deepEqual(
    ready.filter(({ message }) => hasBareOctets(message)),
    [],
    "with CRLF line ends none of them holds what must be refused",
  );
  for (const sample of ready) {
    const { name, message } = sample;
    const sent = await sendMail({ port: edge.port, message, parameters: "BODY=8BITMIME" });
    const stopped = STOPPED.get(name);
    assert.equal(await actionOn(sent), stopped ?? "relay", name);
    if (stopped !== undefined) continue;
    assert.match(sent.final?.text ?? "no recipient", /^250 2\.0\.0 /, name);
    assertIdentical(await arrived(sent), expectedOf(sample), name);
  }
});

test("8-bit octets, long lines, dots and trailing blanks arrive unchanged", { skip }, async () => {
  const octets = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)).toString("latin1");
  const lines = [
    octets.replace(/[\0\r\n]/g, ""),
    ...[".", "..", "...", ".x", "x.", " .", ".\t", ". "],
    ...["blanks  ", "\t", " ", "", "", "From here", ">From there"],
    ...[998, 999, 2047, 2048, 2049, 65_535, 65_536, 300_000].map((length) => "x".repeat(length)),
    ...[4095, 65_535].map((length) => `${".".repeat(length)}\t`),
    "",
    "",
  ];
  const message = Buffer.from(`${SIMPLE_MESSAGE}${lines.join("\r\n")}`, "latin1");
  const sent = await sendMail({ port: edge.port, message, parameters: "BODY=8BITMIME" });
  assert.match(sent.final?.text ?? "", /^250 2\.0\.0 /);
  const { sender, recipient, raw } = await arrived(sent);
  assert.deepEqual([sender, recipient], ["carol@friend.test", "alice@example.org"]);
  assertIdentical({ sender, recipient, raw }, message, "the awkward message");
  assert.match(raw.toString("latin1"), /^Authentication-Results: mx\.example\.org; spf=pass/m);
});

test("octets that would end a line for some servers only are refused, file by file", {
  skip: skip || python.skip || ruby.skip,
}, async () => {
  const isBinary = (name: string) => /\/(sndhdr\.|python\.|test\.|PyBanner)/.test(name);
  const samples = [python, ruby].flatMap(({ folder }) => samplesOf(folder, isBinary));
  assert.ok(samples.length >= 20, `only ${samples.length} files were found`);
  const before = await hub.messages();
  for (const { name, message: file } of samples) {
    assert.ok(hasBareOctets(file), `${name} has become text`);
    const message = Buffer.concat([Buffer.from("Subject: x\r\n\r\n"), file, Buffer.from("\r\n")]);
    const sent = await sendMail({ port: edge.port, message, parameters: "BODY=8BITMIME" });
    assert.match(sent.final?.text ?? "", /^550 5\.6\.11 .*\(ref [0-9A-Z]{18}\)$/, name);
  }
  assert.equal((await hub.messages()).length, before.length);
});

test("a listed client is refused with the zone and the list's own text", { skip }, async () => {
  const { port } = edge;
  const sent = await sendMail({ port, localAddress: "127.0.0.66", message: SIMPLE_MESSAGE });
  assert.equal(sent.final, null);
  const [reply] = sent.rcpt;
  assert.match(reply?.text ?? "", /^550 5\.7\.1 .*127\.0\.0\.66.*bl\.test/);
  assert.match(reply?.text ?? "", /Listed, see https:\/\/bl\.test\/127\.0\.0\.66/);
  const line = await edge.waitForLog("decided", ({ id }) => id === sent.id);
  assert.deepEqual([line.action, line.cause], ["reject", "client-listed"]);
});

test("EICAR is refused with its name, bare and as an attachment", { skip }, async () => {
  const before = await hub.messages();
  const attached = [
    "MIME-Version: 1.0",
    "Content-Type: application/octet-stream",
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.from(eicarTestFile()).toString("base64"),
    "",
  ].join("\r\n");
  for (const tail of [attached, `\r\n${eicarTestFile()}\r\n`]) {
    const message = `From: <carol@friend.test>\r\nSubject: Hello\r\n${tail}`;
    const sent = await sendMail({ port: edge.port, message });
    assert.match(sent.final?.text ?? "", /^550 5\.7\.1 .*Test\.Eicar/);
    const line = await edge.waitForLog("decided", ({ id }) => id === sent.id);
    assert.deepEqual([line.action, line.cause], ["reject", "malware"]);
  }
  assert.equal((await hub.messages()).length, before.length);
});
