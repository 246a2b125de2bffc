import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type {
  AttachmentPart,
  AttachmentsEvidence,
} from "../../../src/stages/attachments/attachments-evidence.ts";
import { toShownName } from "../../../src/stages/attachments/judge-attachments.ts";
import { judgeUnder } from "./attachments-bench.ts";

const PART: AttachmentPart = {
  path: "1.2",
  declaredTypes: ["application/pdf"],
  encodings: ["base64"],
  disposition: "attachment",
  fileNames: ["report.pdf"],
  isContainer: false,
  decodedBytes: 10,
  sha256: "00",
  notes: [],
  trueTypes: [],
  archive: null,
};

function evidenceOf(...parts: readonly Partial<AttachmentPart>[]): AttachmentsEvidence {
  return { parts: parts.map((part) => ({ ...PART, ...part })), notes: [], omitted: 0 };
}

describe("the judge of attachments", () => {
  test("finds nothing in harmless parts", () => {
    assert.deepEqual(judgeUnder({}, evidenceOf({}, {})), { kind: "neutral", findings: [] });
  });

  test("forbids by what the octets are, in both modes", () => {
    for (const mode of ["deny", "allow"]) {
      const verdict = judgeUnder({ mode }, evidenceOf({ trueTypes: ["pe"] }));
      assert.deepEqual(verdict, {
        kind: "reject",
        cause: "attachment",
        about: { name: "report.pdf" },
        findings: [
          {
            symbol: "ATTACHMENT_FORBIDDEN",
            score: 0,
            detail: "part 1.2: the octets are pe, declared as application/pdf",
          },
        ],
      });
    }
  });

  test("knows a program without a name by its octets", () => {
    const bare = { fileNames: [], declaredTypes: [], trueTypes: ["elf"] };
    const verdict = judgeUnder({}, evidenceOf(bare));
    assert.ok(verdict.kind === "reject" && verdict.about?.name === "elf");
  });

  test("lets the severest action decide, and keeps the symbol of every reason", () => {
    const evidence = evidenceOf(
      { notes: ["limit-depth", "duplicate-encoding"] },
      { archive: { kind: "zip", entries: [], notes: ["encrypted-names"] } },
    );
    const options = { onUnscannable: "stamp", onEncryptedArchive: "reject" };
    const verdict = judgeUnder(options, evidence);
    assert.ok(verdict.kind === "reject" && verdict.cause === "unscannable");
    assert.equal(verdict.about, undefined);
    assert.deepEqual(
      verdict.findings.map(({ symbol }) => symbol),
      ["ATTACHMENT_ENCRYPTED_ARCHIVE", "ATTACHMENT_AMBIGUOUS", "ATTACHMENT_UNSCANNABLE"],
    );
  });

  test("marks with a score what policy only stamps", () => {
    const options = { onAmbiguous: "stamp", onUnscannable: "stamp", onEncryptedArchive: "stamp" };
    const evidence = evidenceOf({ notes: ["limit-parts", "duplicate-encoding", "name-conflict"] });
    const verdict = judgeUnder(options, evidence);
    assert.equal(verdict.kind, "neutral");
    assert.deepEqual(
      verdict.findings.map(({ symbol, score }) => [symbol, score]),
      [
        ["ATTACHMENT_UNSCANNABLE", 1],
        ["ATTACHMENT_AMBIGUOUS", 3],
        ["ATTACHMENT_ODD", 0],
      ],
    );
  });

  test("takes what did not fit into the evidence for unscannable", () => {
    const verdict = judgeUnder({}, { ...evidenceOf({}), omitted: 3 });
    assert.ok(verdict.kind === "quarantine" && verdict.cause === "unscannable");
    assert.match(verdict.findings[0]?.detail ?? "", /^3 parts or entries/);
  });

  test("takes a limit of the walker for unscannable, even where no part shows it", () => {
    const verdict = judgeUnder({}, { parts: [], notes: ["limit-parts"], omitted: 0 });
    assert.ok(verdict.kind === "quarantine" && verdict.cause === "unscannable");
  });

  test("names a few of many reasons and counts the rest", () => {
    const parts = Array.from({ length: 20 }, (_, i) => ({
      path: `1.${i + 1}`,
      fileNames: [`program-${i}.exe`],
    }));
    const [finding] = judgeUnder({}, evidenceOf(...parts)).findings;
    assert.match(
      finding?.detail ?? "",
      /^part 1\.1: name program-0\.exe matches \*\.exe; .*15 more$/,
    );
  });

  test("holds every archive that it may not have seen whole", () => {
    for (const note of ["not-listable", "truncated", "limit-ratio", "malformed"] as const) {
      const verdict = judgeUnder(
        {},
        evidenceOf({ archive: { kind: "7z", entries: [], notes: [note] } }),
      );
      assert.equal(verdict.kind, "quarantine", note);
    }
  });

  test("allow mode leaves letters and what holds parts alone", () => {
    const letters: readonly Partial<AttachmentPart>[] = [
      { declaredTypes: ["multipart/mixed"], isContainer: true },
      { declaredTypes: ["message/rfc822"], isContainer: true },
      { declaredTypes: ["text/plain"] },
      { declaredTypes: ["text/html"] },
      { declaredTypes: [] },
    ].map((part) => ({ ...part, fileNames: [], disposition: "inline" }));
    const nothing = { mode: "allow", allow: { names: [], types: [] } };
    assert.equal(judgeUnder(nothing, evidenceOf(...letters)).kind, "neutral");
    for (const letter of letters) {
      const named = { ...letter, fileNames: ["a.txt"] };
      assert.equal(judgeUnder(nothing, evidenceOf(named)).kind, "reject");
    }
  });

  test("tells the sender a name in ASCII, short, with its end", () => {
    assert.equal(toShownName("bücher\r\n250 ok.exe"), "b?cher??250 ok.exe");
    const long = toShownName(`${"a".repeat(300)}.exe`);
    assert.ok(long.length <= 80 && long.endsWith(".exe"), long);
    assert.equal(toShownName("🙂.exe"), "?.exe");
  });
});
