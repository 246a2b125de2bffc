import assert from "node:assert/strict";
import { test } from "node:test";
import { claimsAuthservId } from "../../src/gateway/auth-headers.ts";

const OURS = "mx.example.org";

test("an inbound Authentication-Results that bears our name is recognised in every disguise", () => {
  for (const value of [
    " mx.example.org; spf=pass",
    " MX.Example.ORG; spf=pass",
    "\r\n\tmx.example.org;\r\n spf=pass",
    " (comment) mx.example.org 1; dkim=pass",
    " (nested (comment \\) here)) mx.example.org;none",
    ' "mx.example.org"; spf=pass',
    ' "mx\\.example.org"; spf=pass',
    " mx.example.org.; spf=pass",
    "mx.example.org(x); spf=pass",
    "mx.example.org",
  ])
    assert.ok(claimsAuthservId("authentication-results", value, OURS), JSON.stringify(value));
});

test("results of other hosts stay", () => {
  for (const value of [
    " mx.example.net; spf=pass",
    " notmx.example.org; spf=pass",
    " mx.example.org.evil.test; spf=pass",
    " (mx.example.org) other.test; spf=pass",
    " other.test; x=mx.example.org",
    "",
    " (unclosed mx.example.org",
  ])
    assert.ok(!claimsAuthservId("authentication-results", value, OURS), JSON.stringify(value));
});

test("a Received-SPF that names us anywhere is ours or forged", () => {
  const forged = " pass (MX.example.org: fine) client-ip=192.0.2.1";
  assert.ok(claimsAuthservId("received-spf", forged, OURS));
  assert.ok(!claimsAuthservId("received-spf", " pass (other.test: fine)", OURS));
});
