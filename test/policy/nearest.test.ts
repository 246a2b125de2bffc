import assert from "node:assert/strict";
import { test } from "node:test";
import { hint, nearest } from "../../src/policy/nearest.ts";

const KEYS = ["recipients", "type", "ack", "lineEndings", "thresholds", "verify"];

test("a letter too few, too many, wrong or swapped leads to the key that was meant", () => {
  for (const typo of ["recipents", "recipientss", "recipiants", "reciepints", "RECIPIENTS"])
    assert.equal(nearest(typo, KEYS), "recipients", typo);
  assert.equal(nearest("tpye", KEYS), "type");
  assert.equal(nearest("lineendings", KEYS), "lineEndings");
});

test("a word unlike every key leads to none", () => {
  assert.equal(nearest("banana", KEYS), null);
  assert.equal(nearest("x", KEYS), null);
  assert.equal(hint("banana", KEYS), "");
});

test("the nearer of two keys is chosen", () => {
  assert.equal(hint("lists", ["list", "lists2", "mist"]), "; did you mean `list`?");
  assert.equal(nearest("maxBytes", ["maxByte", "maxBytes"]), "maxBytes");
});

test("a word of a megabyte is not compared", () => {
  assert.equal(nearest("a".repeat(1_000_000), KEYS), null);
});
