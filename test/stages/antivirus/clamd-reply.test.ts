import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseScanReply, parseVersionReply } from "../../../src/stages/antivirus/clamd-reply.ts";

test("only the exact words stream: OK are clean", () => {
  assert.deepEqual(parseScanReply("stream: OK"), { kind: "clean" });
  const others = [
    "",
    "OK",
    "stream: OK ",
    " stream: OK",
    "stream: ok",
    "stream: OK\n",
    "stream:OK",
  ];
  for (const text of [...others, "1: stream: OK", "stream: OK FOUND ERROR", "PONG", "stream: "]) {
    assert.equal(parseScanReply(text).kind, "not-scanned", JSON.stringify(text));
  }
});

test("FOUND names what was found, without the hash that extended info adds", () => {
  const name = (text: string) => {
    const result = parseScanReply(text);
    return result.kind === "infected" ? result.name : result.kind;
  };
  assert.equal(name("stream: Win.Test.EICAR_HDB-1 FOUND"), "Win.Test.EICAR_HDB-1");
  const extended = "stream: Eicar(44d88612fea8a8f36de82e1278abb02f:68) FOUND";
  assert.equal(name(extended), "Eicar");
  assert.equal(name("stream: OK FOUND"), "OK");
  assert.equal(name("stream:  FOUND"), "not-scanned");
  assert.equal(name("stream: FOUND"), "not-scanned");
});

test("a name with controls or without end becomes short printable ASCII", () => {
  const result = parseScanReply(`stream: A\r\n\x1b[31m\xe9${"b".repeat(4000)} FOUND`);
  assert.ok(result.kind === "infected");
  assert.match(result.name, /^A\?\?\?\[31m\?b+$/);
  assert.equal(result.name.length, 128);
});

test("an ERROR is not scanned, and the size limit is told apart", () => {
  const limit = parseScanReply("INSTREAM size limit exceeded. ERROR");
  assert.deepEqual([limit.kind, "class" in limit && limit.class], ["not-scanned", "too-big"]);
  const memory = parseScanReply("stream: Can't allocate memory ERROR");
  assert.deepEqual([memory.kind, "class" in memory && memory.class], ["not-scanned", "error"]);
});

test("VERSION gives the date of the signature database when there is one", () => {
  assert.deepEqual(parseVersionReply("ClamAV 1.4.6/27500/Mon Oct 14 08:25:27 2024"), {
    text: "ClamAV 1.4.6/27500/Mon Oct 14 08:25:27 2024",
    databaseDate: Date.UTC(2024, 9, 14, 8, 25, 27),
  });
  assert.equal(parseVersionReply("ClamAV 1.4.6")?.databaseDate, null);
  assert.equal(parseVersionReply("ClamAV 1.4.6/27500/soon")?.databaseDate, null);
  assert.equal(parseVersionReply("SSH-2.0-OpenSSH"), null);
  assert.equal(parseVersionReply("UNKNOWN COMMAND"), null);
});

test("whatever a server says, nothing but the exact words becomes clean", () => {
  const words = fc.constantFrom("stream:", " ", "OK", "FOUND", "ERROR", "\n", "1:", "\u0000");
  const text = fc.oneof(
    fc.string(),
    fc.array(words).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (reply) => {
      assert.equal(parseScanReply(reply).kind === "clean", reply === "stream: OK");
    }),
  );
});
