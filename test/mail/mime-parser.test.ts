import assert from "node:assert/strict";
import { test } from "node:test";
import type { MimeNote } from "../../src/mail/mime-part.ts";
import { mail, walkMime } from "../support/walk-mime.ts";

const MULTIPART = "Content-Type: multipart/mixed; boundary=b";

/** A trick in a message, the notes it leaves, and what must be found all the same. */
const TRICKS: readonly {
  readonly claim: string;
  readonly message: string;
  readonly notes: readonly MimeNote[];
  readonly body?: readonly [path: string, octets: string];
  readonly name?: string;
}[] = [
  {
    claim: "a type before that of a multipart",
    message: mail("Content-Type: text/plain", MULTIPART, "", "--b", "", "x", "--b--"),
    notes: ["duplicate-content-type"],
    body: ["1.1", "x"],
  },
  {
    claim: "two types with a boundary each",
    message: mail(
      MULTIPART,
      "Content-Type: multipart/mixed; boundary=c",
      "",
      "--b",
      "",
      "x",
      "--c",
      "",
      "y",
      "--c--",
    ),
    notes: ["duplicate-content-type", "boundary-odd"],
    body: ["1.2", "y"],
  },
  {
    claim: "an encoding that changes nothing before one that does",
    message: mail(
      "Content-Transfer-Encoding: 7bit",
      "Content-Transfer-Encoding: base64",
      "",
      "QUJD",
    ),
    notes: ["duplicate-encoding"],
    body: ["1", "ABC"],
  },
  {
    claim: "two dispositions",
    message: mail("Content-Disposition: inline", "Content-Disposition: x; filename=a.exe", "", "x"),
    notes: ["duplicate-disposition"],
    name: "a.exe",
  },
  {
    claim: "an encoding with a comment, quotes and a semicolon",
    message: mail('Content-Transfer-Encoding: (x) "Base64";', "", "QUJD"),
    notes: [],
    body: ["1", "ABC"],
  },
  {
    claim: "an unknown encoding",
    message: mail("Content-Transfer-Encoding: base65", "", "QUJD"),
    notes: ["unknown-encoding"],
    body: ["1", "QUJD\r\n"],
  },
  {
    claim: "an encoded multipart",
    message: mail(MULTIPART, "Content-Transfer-Encoding: base64", "", "--b", "", "x", "--b--"),
    notes: ["encoded-container"],
    body: ["1.1", "x"],
  },
  {
    claim: "a multipart whose parts are hidden in its encoding",
    message: mail(
      MULTIPART,
      "Content-Transfer-Encoding: base64",
      "",
      Buffer.from("--b\r\n\r\nx\r\n--b--\r\n").toString("base64"),
    ),
    notes: ["encoded-container", "boundary-never-closed", "boundary-missing"],
  },
  {
    claim: "a byte order mark before the first field",
    message: mail("\xef\xbb\xbfContent-Disposition: attachment; filename=a.exe", "", "x"),
    notes: ["header-malformed"],
    name: "a.exe",
  },
  {
    claim: "the line of a mail folder before the first field",
    message: mail("From a@example.org Thu Jan 11", "Content-Type: text/x; name=a.exe", "", "x"),
    notes: [],
    name: "a.exe",
  },
  {
    claim: "NUL in the header",
    message: mail("Content-Disposition: attachment; filename=a.exe\0.txt", "", "x"),
    notes: ["nul-octet", "name-conflict"],
    name: "a.exe",
  },
  {
    claim: "a line without a colon among the fields",
    message: mail("X: y", "nonsense", "Content-Disposition: x; filename=a.exe", "", "body"),
    notes: ["header-malformed"],
    name: "a.exe",
    body: ["1", "body\r\n"],
  },
  {
    claim: "the first delimiter where the empty line should be",
    message: mail(MULTIPART, "--b", "", "x", "--b--"),
    notes: ["header-malformed"],
    body: ["1.1", "x"],
  },
  {
    claim: "a header that a delimiter ends",
    message: mail(MULTIPART, "", "--b", "Content-Type: text/x; name=a.exe", "--b--"),
    notes: ["header-without-end"],
    name: "a.exe",
  },
  {
    claim: "a message attached without an end of its header",
    message: mail("Content-Type: message/rfc822", "", "Content-Type: text/x; name=a.exe"),
    notes: ["header-without-end"],
    name: "a.exe",
  },
  {
    claim: "base64 with data behind its padding",
    message: mail("Content-Transfer-Encoding: base64", "", "QQ==", "TVo="),
    notes: ["junk-in-base64"],
    body: ["1", "AMZ"],
  },
  {
    claim: "a name that is drawn backwards",
    message: mail("Content-Disposition: x; filename*=utf-8''a%E2%80%AEfdp.exe", "", "x"),
    notes: ["name-disguised", "name-conflict"],
    name: "aexe.pdf",
  },
  {
    claim: "lines that end in LF alone",
    message: mail(MULTIPART, "", "--b", "", "x", "--b--").replaceAll("\r\n", "\n"),
    notes: [],
    body: ["1.1", "x"],
  },
];

for (const { claim, message, notes, body, name } of TRICKS) {
  test(`${claim}: noted as ${notes.join(" and ") || "nothing"}`, async () => {
    const { tree, bodies } = await walkMime(message);
    assert.deepEqual(tree.notes.toSorted(), notes.toSorted());
    if (body) assert.equal(bodies.get(body[0])?.toString("latin1"), body[1]);
    const names = tree.parts.flatMap(({ fileNames }) => fileNames);
    if (name) assert.ok(names.includes(name), names.join());
    const octets = [...Buffer.from(message, "latin1")].map((octet) => Buffer.of(octet));
    assert.deepEqual((await walkMime(octets)).tree, tree, "octet by octet");
  });
}
