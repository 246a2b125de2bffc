import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { describe, test } from "node:test";
import type { Breach } from "./project/house-order.ts";
import { findBreaches } from "./project/house-rules.ts";

const src = resolve(import.meta.dirname, "../src");

function sourceFiles(): readonly string[] {
  return readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(src, join(entry.parentPath, entry.name)).split(sep).join("/"));
}

/** What Redis runs (reputation/redis-scripts.ts). */
const SCRIPT = /^reputation\/[a-z-]+\.lua$/;

const toText = ({ file, line, rule }: Breach) => `src/${file}:${line} ${rule}`;

describe("the house", () => {
  test("has every source file in its place, within its rules", () => {
    const files = sourceFiles().filter((file) => !SCRIPT.test(file));
    const breaches = files.flatMap((file) =>
      findBreaches(file, readFileSync(join(src, file), "utf8")),
    );
    assert.ok(files.length > 50, "the source files were not found");
    assert.deepEqual(breaches.map(toText), []);
  });
});

/** A check that cannot fail is no check: each rule, with a sample that breaks just it. */
describe("the check of the house", () => {
  const lines = (count: number, line: string) => `${line}\n`.repeat(count);
  const samples: readonly [name: string, file: string, source: string, rule: RegExp][] = [
    ["an import upward", "smtp/a.ts", 'import { a } from "../policy/b.ts";', /upward/],
    ["a type import upward", "base/a.ts", 'import type { A } from "../net/b.ts";', /upward/],
    ["a re-export upward", "mail/a.ts", 'export { a } from "../smtp/b.ts";', /upward/],
    ["a star re-export upward", "mail/a.ts", 'export * from "../smtp/b.ts";', /upward/],
    [
      "a dynamic import upward",
      "mail/a.ts",
      'export const a = () => import("../smtp/b.ts");',
      /upward/,
    ],
    ["an import type upward", "mail/a.ts", 'export type A = import("../smtp/b.ts").B;', /upward/],
    ["a side effect import upward", "mail/a.ts", 'import "../smtp/b.ts";', /upward/],
    [
      "a worker upward",
      "mail/a.ts",
      'export const a = () => new URL("../smtp/b.ts", import.meta.url);',
      /upward/,
    ],
    [
      "a computed import",
      "mail/a.ts",
      "export const a = (b: string) => import(b);",
      /computed path/,
    ],
    [
      "a folder that imports compose.ts",
      "gateway/a.ts",
      'import { a } from "../compose.ts";',
      /upward/,
    ],
    ["compose.ts importing a command", "compose.ts", 'import { a } from "./cli/a.ts";', /upward/],
    ["a part of compose.ts in a folder", "relay/a.ts", 'import "../compose-ground.ts";', /upward/],
    [
      "one stage importing another",
      "stages/spf.ts",
      'import { a } from "./dnsbl/b.ts";',
      /another stage/,
    ],
    [
      "a stage importing a sibling file",
      "stages/a/b.ts",
      'import { a } from "../spf.ts";',
      /another stage/,
    ],
    ["an import out of src", "base/a.ts", 'import { a } from "../../test/a.ts";', /outside src/],
    ["an import without .ts", "base/a.ts", 'import { a } from "./clock";', /without its .ts/],
    ["a folder without a place", "extras/a.ts", "export const a = 1;", /place the house lacks/],
    ["a loose file", "server.ts", "export const a = 1;", /place the house lacks/],
    ["an import from such a folder", "cli/a.ts", 'import { a } from "../extras/b.ts";', /lacks/],
    ["a file over 300 lines", "base/a.ts", lines(301, "// why"), /over 300/],
    ["a default export", "base/a.ts", "export default function a() {}", /default/],
    ["a renamed default export", "base/a.ts", "const a = 1;\nexport { a as default };", /default/],
    ["a file named index", "base/index.ts", "export const a = 1;", /does not say/],
    ["a file named for helpers", "base/dns-helpers.ts", "export const a = 1;", /does not say/],
    ["a folder named utils", "base/utils/a.ts", "export const a = 1;", /does not say/],
    ["a file in camelCase", "base/aB.ts", "export const a = 1;", /kebab/],
    [
      "a function over 50 lines",
      "base/a.ts",
      `export function a() {\n${lines(49, "  a();")}}\n`,
      /function of 51 lines/,
    ],
    [
      "nesting over three levels",
      "base/a.ts",
      "export function a() { if (a) { for (;;) { try { while (a) a(); } finally { a(); } } } }",
      /4 levels/,
    ],
    [
      "a module-level let",
      "base/a.ts",
      "let a = 1;\nexport const b = () => a++;",
      /module-level let/,
    ],
    ["an exported let", "base/a.ts", "export let a = 1;", /module-level let/],
    ["a module-level map", "base/a.ts", "const a = new Map();\nexport const b = () => a;", /state/],
    ["a module-level list", "base/a.ts", "export const a: string[] = [];", /state/],
    ["work at import", "base/a.ts", "console.log(1);", /work at import/],
    ["any", "base/a.ts", "export const a = (b: any) => b;", /^any$/],
    ["an enum", "base/a.ts", "export enum A { B }", /an enum/],
    ["a non-null !", "base/a.ts", "export const a = (b?: string) => b!.length;", /non-null/],
    ["what does not parse", "base/a.ts", "export const = ;", /does not parse/],
  ];
  for (const [name, file, source, rule] of samples) {
    test(`finds ${name}`, () => {
      const rules = findBreaches(file, source).map((breach) => breach.rule);
      assert.equal(rules.length, 1, rules.join("; "));
      assert.match(rules[0]!, rule);
    });
  }

  const good: readonly [name: string, file: string, source: string][] = [
    ["a function of 50 lines", "base/a.ts", `export function a() {\n${lines(48, "  a();")}}\n`],
    ["a file of 300 lines", "base/a.ts", lines(300, "// why")],
    ["an import downward", "smtp/a.ts", 'import { a } from "../mail/b.ts";'],
    ["an import beside", "smtp/a.ts", 'import { a } from "./b.ts";'],
    ["a command starting the product", "cli/a.ts", 'import { a } from "../compose.ts";'],
    ["the catalog importing a stage", "stages/catalog.ts", 'import { a } from "./dnsbl/a.ts";'],
    ["a stage importing its own file", "stages/a/b.ts", 'import { a } from "./c.ts";'],
    ["a package", "base/a.ts", 'import pino from "pino";'],
    ["a filled table", "base/a.ts", "export const A = new Map([[1, 2]]);"],
    ["a thread's first statement", "base/sqlite-thread.ts", "start();"],
    [
      "the word any in a comment",
      "base/a.ts",
      "// import from ../policy, any\nexport const a = 1;",
    ],
    [
      "a chain of else if",
      "base/a.ts",
      `export function a() { if (a) a(); ${"else if (a) a(); ".repeat(5)} }`,
    ],
    [
      "levels of a function inside a function",
      "base/a.ts",
      "export const a = () => { if (a) { if (a) { if (a) b(() => { if (a) a(); }); } } };",
    ],
  ];
  for (const [name, file, source] of good) {
    test(`lets ${name} pass`, () => {
      assert.deepEqual(findBreaches(file, source), []);
    });
  }
});
