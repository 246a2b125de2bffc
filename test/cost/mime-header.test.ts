import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeaderBlock } from "../../src/mail/header-block.ts";
import { readPartHeader } from "../../src/mail/mime-header.ts";
import { parseParameterised } from "../../src/mail/parameters.ts";

/** Field values of about `n` characters that are hard to take apart. */
const VALUES: readonly (readonly [claim: string, make: (n: number) => string])[] = [
  ["100,000 parameters", (n) => `a/b${"; n=v".repeat(n / 5)}`],
  ["quoted strings that never end", (n) => `a/b; ${'name="x;'.repeat(n / 8)}`],
  ["one quoted string that never ends", (n) => `a/b; name="${"x".repeat(n)}`],
  ["quotes alone", (n) => `a/b; name=${'"'.repeat(n)}`],
  ["quoted pairs without end", (n) => `a/b; name="${"\\".repeat(n)}`],
  ["nested comments", (n) => `a/b; name=${"(".repeat(n / 2)}${")".repeat(n / 2)}x`],
  ["comments in a row", (n) => `a/b; name=${"()".repeat(n / 2)}x`],
  ["comments that never end", (n) => `a/b ${"(".repeat(n)}`],
  ["parameters without semicolons", (n) => `a/b${" n=v".repeat(n / 4)}`],
  ["sections without end", (n) => `a/b${"; name*1*=%41".repeat(n / 13)}`],
  ["sections with numbers of their own", (n) => `a/b${sections(n / 14)}`],
  ["boundaries without end", (n) => `multipart/x${"; boundary=b".repeat(n / 12)}`],
  ["slashes", (n) => `${"/".repeat(n / 2)}; name=${"/".repeat(n / 2)}`],
];

const sections = (count: number) =>
  Array.from({ length: count }, (_, i) => `; name*${String(i).padStart(4, "0")}*=%41`).join("");

/** Six ways to read a parameter of each segment, of two ways to cut segments, of 200 and their first. */
const PARAMETERS_MAX = 200 * 2 * 5 * 6;

for (const [claim, make] of VALUES) {
  test(`${claim}: what is kept of a field is bounded, and grows no faster than the field`, () => {
    const once = charsKept(make(500_000));
    const twice = charsKept(make(1_000_000));
    assert.ok(twice <= 2.2 * once + 1000, `${once} then ${twice}`);
    assert.ok(twice <= 1_000_000 * 12, `${twice}`);
  });

  test(`${claim}: names and boundaries of a part are few`, () => {
    const value = make(250_000);
    const field = `Content-Type: ${value}\r\nContent-Disposition: ${value}\r\n`;
    const header = readPartHeader(parseHeaderBlock(Buffer.from(field)), null);
    assert.ok(header.fileNames.length <= 16);
    assert.ok(header.fileNames.every((name) => name.length <= 2000));
    assert.ok(header.boundaries.length <= 8);
    assert.ok(header.declaredTypes.every((type) => type.length <= 255));
  });
}

function charsKept(value: string): number {
  const { main, parameters } = parseParameterised(value);
  assert.ok(parameters.length <= PARAMETERS_MAX, `${parameters.length} parameters`);
  return parameters.reduce((sum, { name, value: v }) => sum + name.length + v.length, main.length);
}
