import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verdict } from "../../../src/pipeline/verdict.ts";
import {
  type AntivirusOptions,
  antivirusOptions,
} from "../../../src/stages/antivirus/antivirus-options.ts";
import { type AntivirusEvidence, judgeScan } from "../../../src/stages/antivirus/judge-scan.ts";
import type { MessageScan } from "../../../src/stages/antivirus/scan-message.ts";
import { CLEAN, notScanned, type ScanResult } from "../../../src/stages/antivirus/scanner.ts";

const found = (name: string): ScanResult => ({ kind: "infected", name });

function scanned(scan: Partial<MessageScan> | null, result: ScanResult = CLEAN): AntivirusEvidence {
  return {
    kind: "scanned",
    scan: scan && { result, raw: CLEAN, parts: [], limits: [], ...scan },
    result,
    address: "127.0.0.1:3310",
    version: "ClamAV 1.4.6",
    failed: [],
    ms: 7,
  };
}

function part(path: string, result: ScanResult) {
  return { path, why: "encoded", octets: 68, result } as const;
}

function judge(evidence: AntivirusEvidence, options: Partial<AntivirusOptions> = {}): Verdict {
  return judgeScan(evidence, { ...antivirusOptions.parse({}), ...options });
}

function say(verdict: Verdict): string {
  const symbols = verdict.findings.map(({ symbol }) => symbol).join(" ");
  return `${verdict.kind} ${"cause" in verdict ? verdict.cause : "-"} ${symbols}`.trim();
}

test("a message whose every view is clean is neutral", () => {
  assert.equal(say(judge(scanned({ parts: [part("1", CLEAN)] }))), "neutral -");
});

test("malware in the raw message or in any part is refused by its name", () => {
  const name = "Win.Test.EICAR_HDB-1";
  const raw = judge(scanned({ raw: found(name) }, found(name)));
  assert.equal(say(raw), "reject malware ANTIVIRUS_MALWARE");
  assert.deepEqual("about" in raw && raw.about, { name });
  const inside = judge(scanned({ parts: [part("1", CLEAN), part("2.1", found(name))] }));
  assert.equal(say(inside), "reject malware ANTIVIRUS_MALWARE");
  assert.equal(inside.findings[0]?.detail, `${name} in part 2.1`);
});

test("malware in one view is not hidden behind what else a view is held for", () => {
  const options = { onInfected: "quarantine", onEncrypted: "quarantine" } as const;
  const encrypted = part("1", found("Heuristics.Encrypted.Zip"));
  const infected = part("2", found("Win.Test.EICAR_HDB-1"));
  const verdict = judge(scanned({ parts: [encrypted, infected] }), options);
  assert.match(say(verdict), /^quarantine malware /);
});

test("every way of not being scanned defers, never delivers", () => {
  for (const reason of ["down", "timeout", "too-big", "busy", "error"] as const) {
    const result = notScanned(reason, "x");
    assert.match(say(judge(scanned({ raw: result }, result))), /^defer check-unavailable /);
    assert.match(say(judge(scanned(null, result))), /^defer check-unavailable /);
    assert.match(say(judge(scanned({ parts: [part("1", result)] }))), /^defer /);
  }
});

test("what clamd cannot look into has classes of its own with safe defaults", () => {
  const cases = [
    ["Heuristics.Encrypted.Zip", "quarantine unscannable ANTIVIRUS_ENCRYPTED"],
    ["Heuristics.Limits.Exceeded.MaxRecursion", "quarantine unscannable ANTIVIRUS_LIMITS"],
    ["Heuristics.OLE2.ContainsMacros.VBA", "neutral - ANTIVIRUS_MACRO"],
    ["Heuristics.Phishing.Email.SpoofedDomain", "neutral - ANTIVIRUS_PHISHING"],
    ["PUA.Win.Packer.Upx", "neutral - ANTIVIRUS_PUA"],
    ["Heuristics.Broken.Executable", "reject malware ANTIVIRUS_MALWARE"],
    ["heuristics.encrypted.zip", "reject malware ANTIVIRUS_MALWARE"],
  ] as const;
  for (const [name, expected] of cases) {
    assert.equal(say(judge(scanned({ raw: found(name) }))), expected, name);
  }
});

test("the policy chooses the action of a class", () => {
  const macro = scanned({ raw: found("Heuristics.OLE2.ContainsMacros.VBA") });
  assert.equal(say(judge(macro, { onMacro: "reject" })), "reject malware ANTIVIRUS_MACRO");
  assert.equal(say(judge(macro, { onMacro: "defer" })), "defer check-unavailable ANTIVIRUS_MACRO");
  const malware = scanned({ raw: found("Virus") });
  assert.match(say(judge(malware, { onInfected: "quarantine" })), /^quarantine malware /);
  const big = scanned({ raw: notScanned("too-big", "x") });
  assert.match(say(judge(big, { onOversize: "quarantine" })), /^quarantine unscannable /);
  const down = scanned({ raw: notScanned("down", "x") });
  assert.match(say(judge(down, { onNotScanned: "quarantine" })), /^quarantine check-unavailable /);
});

test("the severest of all views decides, and all leave their symbol", () => {
  const verdict = judge(
    scanned({
      raw: found("Heuristics.Phishing.Email.SpoofedDomain"),
      parts: [
        part("1", found("Heuristics.Encrypted.Zip")),
        part("2", notScanned("error", "x")),
        part("3", found("Virus")),
      ],
    }),
  );
  assert.equal(
    say(verdict),
    "reject malware ANTIVIRUS_PHISHING ANTIVIRUS_ENCRYPTED ANTIVIRUS_NOT_SCANNED ANTIVIRUS_MALWARE",
  );
});

test("a MIME tree that was not read to its end counts as limits", () => {
  const verdict = judge(scanned({ limits: ["limit-parts"] }));
  assert.equal(say(verdict), "quarantine unscannable ANTIVIRUS_LIMITS");
});

test("without a scanner the mail is marked, because the settings say so", () => {
  assert.equal(say(judge({ kind: "off" })), "neutral - ANTIVIRUS_OFF");
});

test("a replay that wants parts which nobody scanned is undetermined", () => {
  assert.match(say(judge(scanned({ parts: null }))), /^unknown/);
  assert.equal(say(judge(scanned({ parts: null }), { scanParts: false })), "neutral -");
  const infected = scanned({ raw: found("Virus"), parts: null });
  assert.match(say(judge(infected)), /^reject malware/);
});

test("no option can deliver malware or what was not scanned", () => {
  for (const file of [
    { onInfected: "stamp" },
    { onInfected: "defer" },
    { onNotScanned: "stamp" },
    { onOversize: "stamp" },
    { onInfected: "ignore" },
    { maxBytes: 0 },
    { oninfected: "reject" },
  ]) {
    assert.equal(antivirusOptions.safeParse(file).success, false, JSON.stringify(file));
  }
});
