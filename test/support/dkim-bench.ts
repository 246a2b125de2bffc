import assert from "node:assert/strict";
import { createDkimReading, type DkimCheck } from "../../src/auth/dkim/check-dkim.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { createLookupScope, type Resolver } from "../../src/net/resolver.ts";
import { makeEd25519Key, makeRsaKey, type SignOptions, signMessage } from "./dkim-signer.ts";
import { toZoneResolver, type Zone } from "./zone-resolver.ts";

const NOW = Date.UTC(2026, 0, 1);
export const SECONDS = NOW / 1000;
export const RSA = makeRsaKey();
export const ED25519 = makeEd25519Key();
export const MESSAGE = [
  "From: Alice <alice@example.org>",
  "To: bob@example.net",
  "Subject:  Lunch \t on",
  "  Friday?",
  "Date: Thu, 1 Jan 2026 00:00:00 +0000",
  "",
  "Hello,  Bob. ",
  "",
  "Alice",
  "",
  "",
].join("\r\n");

interface Asked {
  readonly zone?: Zone;
  readonly chunk?: number;
  readonly resolver?: Pick<Resolver, "lookup">;
  readonly queries?: number;
  readonly mustSign?: readonly string[];
}

export async function check(message: string, asked: Asked = {}): Promise<DkimCheck> {
  const { zone = zoneOf(RSA.record), chunk = 65_536, mustSign = ["from", "subject"] } = asked;
  const reading = createDkimReading();
  const bytes = Buffer.from(message, "latin1");
  for (let at = 0; at < bytes.length; at += chunk) reading.write(bytes.subarray(at, at + chunk));
  const scope = createLookupScope(new AbortController().signal, asked.queries);
  const keys = createKeyLookup(asked.resolver ?? toZoneResolver(zone), scope);
  return reading.end({ receivedAt: NOW, mustSign, keys });
}

export const zoneOf = (...records: string[]): Zone => ({
  "TXT s1._domainkey.example.org": records,
});
export const sign = (options: Partial<SignOptions> = {}, message = MESSAGE) =>
  signMessage(message, { key: RSA, domain: "example.org", ...options });

export async function only(message: string, asked: Asked = {}) {
  const { signatures } = await check(message, asked);
  assert.equal(signatures.length, 1);
  return signatures[0]!;
}
