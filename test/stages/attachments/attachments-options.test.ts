import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { attachmentsOptions } from "../../../src/stages/attachments/attachments-options.ts";
import { compilePatterns } from "../../../src/stages/attachments/name-patterns.ts";

const SHIPPED = join(import.meta.dirname, "../../../policies/attachments.yaml");

test("what the shipped file writes out are the defaults, all of them", async () => {
  const written = parse(await readFile(SHIPPED, "utf8"));
  assert.deepEqual(written, attachmentsOptions.parse({}));
});

test("nothing can be forbidden and allowed by the shipped lists", () => {
  const { names, types, allow } = attachmentsOptions.parse({});
  const forbidden = [compilePatterns(names), compilePatterns(types)];
  for (const pattern of [...allow.names, ...allow.types])
    for (const list of forbidden) assert.equal(list.match(pattern.replace("*", "x")), null);
});

test("the shipped lists hold each pattern once, in lower case", () => {
  const { names, types, trueTypes, allow } = attachmentsOptions.parse({});
  for (const list of [names, types, trueTypes, allow.names, allow.types]) {
    assert.equal(new Set(list).size, list.length);
    assert.deepEqual(
      list,
      list.map((pattern) => pattern.toLowerCase()),
    );
  }
});

test("a list that is written replaces the shipped one, and the others stay", () => {
  const options = attachmentsOptions.parse({ names: ["*.dwg"], allow: { names: [] } });
  assert.deepEqual(options.names, ["*.dwg"]);
  assert.deepEqual(options.allow.names, []);
  assert.ok(options.types.includes("message/partial"));
  assert.ok(options.allow.types.includes("application/pdf"));
});

test("mistakes are refused: unknown keys, folders in names, types without a subtype", () => {
  for (const wrong of [
    { onForbiden: "reject" },
    { allow: { name: [] } },
    { names: ["C:\\*.exe"] },
    { names: [""] },
    { names: ["x".repeat(256)] },
    { types: ["pdf"] },
    { trueTypes: ["pee"] },
    { onForbidden: "stamp" },
    { archives: { inside: "yes" } },
  ])
    assert.equal(attachmentsOptions.safeParse(wrong).success, false, JSON.stringify(wrong));
});
