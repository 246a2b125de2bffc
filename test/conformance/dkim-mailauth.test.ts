import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createDkimReading } from "../../src/auth/dkim/check-dkim.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { conformanceData } from "../support/conformance-data.ts";
import { type SigningKey, signMessage, toRecord } from "../support/dkim-signer.ts";
import { toZoneResolver } from "../support/zone-resolver.ts";

/*
 * Messages and keys of mailauth. Its keys sign its messages, and ours verify them. The keys of the
 * real signatures in them are long gone from DNS; any key serves to show that the hash of the body,
 * which is checked first, is that of the signer.
 */
const data = conformanceData("mailauth-fixtures");
const MESSAGES = ["message1", "message2", "message3", "message4", "arc-pass", "arc-pass2"];
/** Signed by real signers: message, and how many signatures it has. */
const SIGNED: Readonly<Record<string, number>> = {
  ...{ message2: 1, message3: 2, message4: 1, zbimi: 1, zproov: 1, bimi: 2, authtest: 1 },
  ...{ "arc-pass": 1, "arc-pass2": 2, "arc-fail": 2, "arc-fail2": 2, "arc-fail3": 1 },
};
const HEADER_ONLY = "the header or the signature was changed";

function read(name: string): string {
  const text = readFileSync(join(data.folder, `${name}.eml`), "latin1");
  return text.replace(/\r?\n/g, "\r\n");
}

function keyOf(name: "rsa" | "ed25519" | "small"): SigningKey {
  const privateKey = createPrivateKey(readFileSync(join(data.folder, `private-${name}.pem`)));
  const type = name === "ed25519" ? "ed25519" : "rsa";
  const record = toRecord(createPublicKey(privateKey), type);
  return { algorithm: `${type}-sha256`, privateKey, record };
}

async function verify(message: string, record: string, chunk = 65_536) {
  const reading = createDkimReading();
  const bytes = Buffer.from(message, "latin1");
  for (let at = 0; at < bytes.length; at += chunk) reading.write(bytes.subarray(at, at + chunk));
  const lookup = toZoneResolver({}).lookup;
  const everywhere = {
    lookup: ((_name, type, ...rest) =>
      type === "TXT"
        ? Promise.resolve({ kind: "found", records: [record], ttlSeconds: 60 })
        : lookup(_name, type, ...rest)) as typeof lookup,
  };
  const keys = createKeyLookup(everywhere, createLookupScope(new AbortController().signal));
  const { signatures } = await reading.end({
    receivedAt: Date.UTC(2021, 0, 1),
    mustSign: ["from"],
    keys,
  });
  return signatures;
}

describe("mailauth's messages", { skip: data.skip }, () => {
  for (const name of MESSAGES)
    for (const kind of ["rsa", "ed25519"] as const)
      test(`${name} passes when signed with its ${kind} key, however it is cut`, async () => {
        const key = keyOf(kind);
        for (const c of ["simple/simple", "relaxed/relaxed"]) {
          const signed = signMessage(read(name), { key, domain: "example.org", c });
          for (const chunk of [1, 7, 65_536]) {
            const [own] = await verify(signed, key.record, chunk);
            assert.equal(own?.result, "pass", own?.reason ?? "");
          }
        }
      });

  test("its short key verifies nothing", async () => {
    const key = keyOf("small");
    const [one] = await verify(
      signMessage(read("message1"), { key, domain: "example.org" }),
      key.record,
    );
    assert.equal(one?.result, "permerror");
  });

  for (const [name, count] of Object.entries(SIGNED))
    test(`the body of ${name} has the hash that its own signers computed`, async () => {
      const signatures = await verify(read(name), keyOf("rsa").record);
      assert.equal(signatures.length, count);
      for (const { reason, domain } of signatures) assert.equal(reason, HEADER_ONLY, domain);
    });
});
