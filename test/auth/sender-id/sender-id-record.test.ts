import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { askSenderId } from "../../support/ask-sender-id.ts";
import type { Zone } from "../../support/zone-resolver.ts";

const records = (...texts: string[]): Zone => ({ "TXT example.com": texts });

type Row = readonly [
  title: string,
  texts: readonly string[],
  pra: string,
  mfrom: string,
  withoutVersion1?: readonly [pra: string, mfrom: string],
];

/** From the permitted client; what ends in -all there is a record that was not chosen. */
const SELECTION: readonly Row[] = [
  ["the example of 3.1", ["spf2.0/mfrom,pra +mx +ip4:192.168.0.100 -all"], "pass", "pass"],
  ["one for the responsible address alone", ["spf2.0/pra ip4:192.168.0.100"], "pass", "none"],
  ["one for MAIL FROM alone", ["spf2.0/mfrom ip4:192.168.0.100"], "none", "pass"],
  ["scopes in the other order", ["spf2.0/pra,mfrom ip4:192.168.0.100"], "pass", "pass"],
  [
    "a scope of the future beside ours (4.4)",
    ["spf2.0/mfrom,pra,fubar ip4:192.168.0.100"],
    "pass",
    "pass",
  ],
  [
    "a scope whose name only begins as ours (4.4)",
    ["spf2.0/mfrom,prattle,fubar +all"],
    "none",
    "pass",
  ],
  ["upper case", ["SPF2.0/PRA ip4:192.168.0.100"], "pass", "none"],
  [
    "a minor version of the future is ignored (4.4)",
    ["spf2.17/pra ip4:192.168.0.100"],
    "pass",
    "none",
  ],
  ["a minor version that is none", ["spf2.x/pra +all"], "none", "none"],
  ["a minor version that is missing", ["spf2./pra +all", "spf2/pra +all"], "none", "none"],
  ["no scope", ["spf2.0 +all", "spf2.0/ +all"], "none", "none"],
  ["an empty scope in the list", ["spf2.0/pra,,mfrom +all", "spf2.0/pra, +all"], "none", "none"],
  ["a tab behind the version", ["spf2.0/pra\t+all"], "none", "none"],
  ["the version alone: neutral", ["spf2.0/pra"], "neutral", "none"],
  ["text before the version", [" spf2.0/pra +all", "x spf2.0/pra +all"], "none", "none"],
  ["version 3", ["spf3.0/pra +all"], "none", "none"],
  [
    "v=spf1 speaks for both where there is no spf2.0 (3.4)",
    ["v=spf1 ip4:192.168.0.100 -all"],
    "pass",
    "pass",
    ["none", "none"],
  ],
  [
    "spf2.0 goes before v=spf1 (4.4)",
    ["v=spf1 -all", "spf2.0/mfrom,pra ip4:192.168.0.100"],
    "pass",
    "pass",
    ["pass", "pass"],
  ],
  [
    "in whatever order they come",
    ["spf2.0/mfrom,pra ip4:192.168.0.100", "v=spf1 -all"],
    "pass",
    "pass",
    ["pass", "pass"],
  ],
  [
    "v=spf1 speaks for the scope that spf2.0 leaves out (4.4)",
    ["v=spf1 -all", "spf2.0/pra ip4:192.168.0.100"],
    "pass",
    "fail",
    ["pass", "none"],
  ],
  ["two of one scope are an error", ["spf2.0/pra +all", "spf2.0/pra -all"], "permerror", "none"],
  [
    "two that share a scope are an error for it",
    ["spf2.0/mfrom -all", "spf2.0/mfrom,pra +all"],
    "pass",
    "permerror",
  ],
  [
    "two of different minor versions are two",
    ["spf2.0/pra +all", "spf2.1/pra +all"],
    "permerror",
    "none",
  ],
  ["a scope given twice in one record is one record", ["spf2.0/pra,pra +all"], "pass", "none"],
  [
    "two of v=spf1 are an error",
    ["v=spf1 +all", "v=spf1 -all"],
    "permerror",
    "permerror",
    ["none", "none"],
  ],
  [
    "two of v=spf1 behind one of spf2.0 are none",
    ["v=spf1 +all", "v=spf1 -all", "spf2.0/pra,mfrom +all"],
    "pass",
    "pass",
    ["pass", "pass"],
  ],
  ["other texts are no records", ["hello", "v=DKIM1; p=x", "spf2.0/pra +all"], "pass", "none"],
  ["a broken record is an error", ["spf2.0/pra nonsense"], "permerror", "none"],
  [
    "a broken one is not passed over for v=spf1",
    ["spf2.0/pra ip4:x", "v=spf1 +all"],
    "permerror",
    "pass",
    ["permerror", "none"],
  ],
];

describe("which of the records is followed (RFC 4406 3 and 4.4)", () => {
  for (const [title, texts, pra, mfrom, without = [pra, mfrom]] of SELECTION)
    test(title, async () => {
      const resultsOf = async (usesVersion1: boolean) => {
        const scopes = ["pra", "mfrom"] as const;
        const { checks } = await askSenderId(records(...texts), { scopes, usesVersion1 });
        assert.deepEqual(
          checks.map(({ scope }) => scope),
          scopes,
        );
        return checks.map(({ result }) => result);
      };
      assert.deepEqual(await resultsOf(true), [pra, mfrom]);
      assert.deepEqual(await resultsOf(false), without);
    });
});

describe("modifiers (RFC 4406 3.3)", () => {
  for (const [title, text, result] of [
    [
      "an unknown one between mechanisms is passed over",
      "spf2.0/pra a foo=bar ip4:192.168.0.100 -all",
      "pass",
    ],
    ["before the first mechanism too", "spf2.0/pra foo=bar ip4:192.168.0.100 -all", "pass"],
    ["the same unknown one twice", "spf2.0/pra x=1 ip4:192.168.0.100 x=2 -all", "pass"],
    [
      "an unknown one with a broken macro is an error",
      "spf2.0/pra foo=%x ip4:192.168.0.100",
      "permerror",
    ],
    [
      "redirect is global: where it stands does not matter",
      "spf2.0/pra redirect=other.test ip4:192.168.0.100",
      "pass",
    ],
    ["redirect twice is an error", "spf2.0/pra redirect=a.test redirect=b.test", "permerror"],
    ["exp twice is an error", "spf2.0/pra exp=a.test exp=b.test -all", "permerror"],
  ] as const)
    test(title, async () => {
      const { checks } = await askSenderId(records(text));
      assert.deepEqual(
        checks.map((one) => one.result),
        [result],
      );
    });
});
