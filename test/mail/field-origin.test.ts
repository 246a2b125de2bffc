import assert from "node:assert/strict";
import { test } from "node:test";
import { type FieldOrigin, fieldOriginsOf, withFieldOrigins } from "../../src/mail/field-origin.ts";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";

const CAME =
  "To: a@out.test,\r\n\tB <b@out.test>\r\nSubject: x\r\nTO : c@other.test\r\nto: d\xe9@out.test\r\n";
const GOES =
  "Received: by us\r\nTo: a@in.test,\r\n\tB <b@in.test>\r\nTO : c@other.test\r\nSubject: x\r\nto: d\xe9@in.test\r\n";

function originsOf(text: string, ...octets: readonly string[]): readonly FieldOrigin[] {
  const headers = parseHeaderBlock(Buffer.from(text, "latin1"));
  return fieldOriginsOf(
    headers,
    octets.map((one) => ({ at: text.indexOf(one) })),
  );
}

const restored = (text: string, origins: readonly FieldOrigin[]) =>
  withFieldOrigins(Buffer.from(text, "latin1"), origins).toString("latin1");

test("fields that were written into stand again as they came, each in its place", () => {
  const origins = originsOf(CAME, "d\xe9@out", "a@out", "b@out");
  assert.deepEqual(origins, [
    { name: "To", nth: 0, rawValue: " a@out.test,\r\n\tB <b@out.test>" },
    { name: "to", nth: 2, rawValue: " d\xe9@out.test" },
  ]);
  const kept: readonly FieldOrigin[] = JSON.parse(JSON.stringify(origins));
  assert.equal(restored(GOES, kept), GOES.replaceAll("@in.test", "@out.test"));
});

test("a section that was cut shows nothing of what was written into it", () => {
  const origins = originsOf(CAME, "a@out", "d\xe9@out");
  for (let cut = 1; cut < GOES.length; cut++)
    assert.doesNotMatch(restored(GOES.slice(0, cut), origins), /@in/, String(cut));
});

test("what is too long to be kept is left out", () => {
  const long = `To: a@out.test ${"(x)".repeat(30_000)}\r\nCc: b@out.test\r\n`;
  const origins = originsOf(long, "a@out", "b@out");
  assert.deepEqual(
    origins.map(({ rawValue }) => rawValue),
    [null, " b@out.test"],
  );
  assert.equal(restored(long.replaceAll("out", "in"), origins), "Cc: b@out.test\r\n");
});

test("without an edit nothing is kept, and nothing changes", () => {
  assert.deepEqual(originsOf(CAME), []);
  const headers = Buffer.from(GOES, "latin1");
  assert.equal(withFieldOrigins(headers, []), headers);
});
