import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { test } from "node:test";
import {
  decoyHash,
  formatPasswordHash,
  hashPassword,
  matchesPassword,
  parsePasswordHash,
} from "../../src/base/password-hash.ts";

test("a hash comes back from its text and matches its password alone", async () => {
  const hash = await hashPassword("pässword ✓");
  const text = formatPasswordHash(hash);
  assert.match(text, /^\$scrypt\$ln=16,r=8,p=2\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  const read = parsePasswordHash(text);
  assert.deepEqual(read, hash);
  assert.ok(read && (await matchesPassword("pässword ✓", read)));
  for (const wrong of ["Pässword ✓", "pässword ✓ ", "", "passwort"])
    assert.equal(await matchesPassword(wrong, hash), false, wrong);
});

test("two hashes of one password are not the same", async () => {
  const [one, other] = await Promise.all([hashPassword("x"), hashPassword("x")]);
  assert.notEqual(formatPasswordHash(one), formatPasswordHash(other));
});

test("a letter composed and the same decomposed are one password", async () => {
  const hash = await hashPassword("\u00fc");
  assert.equal(await matchesPassword("u\u0308", hash), true);
});

test("the key is scrypt's of RFC 7914, with the parameters of the text", async () => {
  const salt = Buffer.from("SodiumChloride");
  const cost = { N: 16384, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
  const key = scryptSync("pleaseletmein", salt, 64, cost);
  // The third vector of RFC 7914 section 12.
  assert.equal(key.subarray(0, 6).toString("hex"), "7023bdcb3afd");
  const parts = [salt, key].map((bytes) => bytes.toString("base64").replace(/=+$/, ""));
  const hash = parsePasswordHash(`$scrypt$ln=14,r=8,p=1$${parts.join("$")}`);
  assert.ok(hash && (await matchesPassword("pleaseletmein", hash)));
});

const SALT = "A".repeat(22);
const KEY = "A".repeat(43);

for (const [why, text] of [
  ["another kind", `$argon2id$ln=16,r=8,p=2$${SALT}$${KEY}`],
  ["a password in the clear", "secret"],
  ["too little work", `$scrypt$ln=13,r=8,p=1$${SALT}$${KEY}`],
  ["too much memory", `$scrypt$ln=19,r=8,p=1$${SALT}$${KEY}`],
  ["too much work", `$scrypt$ln=16,r=8,p=16$${SALT}$${KEY}`],
  ["no r", `$scrypt$ln=16,r=0,p=1$${SALT}$${KEY}`],
  ["a short salt", `$scrypt$ln=16,r=8,p=1$AAAA$${KEY}`],
  ["a short key", `$scrypt$ln=16,r=8,p=1$${SALT}$AAAA`],
  ["something behind it", `$scrypt$ln=16,r=8,p=1$${SALT}$${KEY}\n`],
] as const)
  test(`what is no hash is none: ${why}`, () => assert.equal(parsePasswordHash(text), null));

test("a decoy costs what its model costs and matches nothing", async () => {
  const model = parsePasswordHash(`$scrypt$ln=14,r=8,p=1$${SALT}$${KEY}`);
  assert.ok(model);
  const { ln, r, p, salt, key } = decoyHash(model);
  assert.deepEqual([ln, r, p], [14, 8, 1]);
  assert.equal(await matchesPassword("", { ln, r, p, salt, key }), false);
});
