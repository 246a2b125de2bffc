import assert from "node:assert/strict";
import { test } from "node:test";
import { type ArcCheck, createArcReading } from "../../../src/auth/arc/check-arc.ts";
import { type Sealing, sealMessage } from "../../../src/auth/arc/seal-message.ts";
import { createKeyLookup } from "../../../src/auth/dkim/key-lookup.ts";
import { readSignable } from "../../../src/auth/dkim/signable.ts";
import { createLookupScope } from "../../../src/net/resolver.ts";
import { toBytesSource } from "../../support/bytes-source.ts";
import { toKeyZone, toSigningKey } from "../../support/signing-keys.ts";
import { toZoneResolver } from "../../support/zone-resolver.ts";

const RSA = toSigningKey("example.org", "a1");
const ED = toSigningKey("lists.test", "a2", "ed25519");
const MESSAGE = "From: carol@friend.test\r\nSubject: x\r\nTo: a@example.org\r\n\r\nHello\r\n";
const SEALED_AT = 1_790_000_000;
const RESULTS = "mx.example.org; dmarc=pass header.from=friend.test";

async function check(message: string): Promise<ArcCheck> {
  const reading = createArcReading();
  reading.write(Buffer.from(message, "latin1"));
  const scope = createLookupScope(new AbortController().signal);
  const keys = createKeyLookup(toZoneResolver(toKeyZone([RSA, ED])), scope);
  return reading.end({ keys, receivedAt: SEALED_AT * 1000 });
}

async function seal(message: string, key = RSA, found?: ArcCheck): Promise<Sealing> {
  const { headers, bodyHash } = await readSignable(toBytesSource(message), null);
  return sealMessage({
    headers,
    bodyHash,
    found: found ?? (await check(message)),
    results: RESULTS,
    key,
    sealedAt: SEALED_AT,
  });
}

async function sealed(message: string, key = RSA, found?: ArcCheck): Promise<string> {
  const made = await seal(message, key, found);
  assert.equal(made.kind, "sealed");
  return made.kind === "sealed" ? made.fields + message : "";
}

test("the first seal says that there was none before, and the chain holds", async () => {
  const made = await seal(MESSAGE);
  assert.ok(made.kind === "sealed");
  assert.deepEqual([made.instance, made.cv], [1, "none"]);
  const names = made.fields.split(/\r\n(?![ \t])/).map((field) => field.split(":")[0]);
  assert.deepEqual(names.slice(0, 3), [
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
  ]);
  const { result, sets } = await check(made.fields + MESSAGE);
  assert.equal(result, "pass");
  assert.deepEqual(sets, [
    {
      instance: 1,
      domain: "example.org",
      selector: "a1",
      dmarc: { result: "pass", from: "friend.test" },
    },
  ]);
});

test("a chain goes on through those who change the message, each kind of key", async () => {
  const first = await sealed(MESSAGE, ED);
  const found = await check(first);
  const changed = first.replace("Subject: x", "Subject: [list] x").replace("Hello", "Hello all");
  assert.equal((await check(changed)).result, "fail");
  const second = await sealed(changed, RSA, found);
  assert.match(second, /^ARC-Seal: i=2; a=rsa-sha256; t=1790000000; cv=pass; d=example\.org;/);
  const { result, sets } = await check(second);
  assert.deepEqual([result, sets.length], ["pass", 2]);
  assert.equal(
    (await check(second.replace("d=lists.test; s=a2; t", "d=lists.test; s=a2;  t"))).result,
    "pass",
  );
  assert.equal((await check(second.replace("dmarc=pass", "dmarc=fail"))).result, "fail");
});

test("what has failed gets one seal that says so, over itself alone, and none after that", async () => {
  const broken = (await sealed(MESSAGE)).replace("Hello", "Goodbye");
  const failed = await seal(broken, ED);
  assert.ok(failed.kind === "sealed");
  assert.deepEqual([failed.instance, failed.cv], [2, "fail"]);
  const text = failed.fields + broken;
  assert.equal((await check(text)).result, "fail");
  assert.deepEqual(await seal(text), {
    kind: "left",
    reason: "its chain is broken: seal 2 says cv=fail",
  });
});

test("a chain that is not whole, unchecked, or not yet known is left as it is", async () => {
  const chain = await sealed(MESSAGE);
  const why = async (message: string, found?: Partial<ArcCheck>) => {
    const made = await seal(message, RSA, found && { ...(await check(message)), ...found });
    return made.kind === "left" ? made.reason : made;
  };
  assert.equal(
    await why(chain.replace("ARC-Message", "X-Message")),
    "its chain is broken: set 1 is not whole",
  );
  assert.equal(await why(chain, { result: "none" }), "nobody looked at its chain");
  assert.equal(
    await why(chain, { result: "fail", temporary: true }),
    "nobody could tell whether its chain holds",
  );
  assert.equal(await why(MESSAGE, { result: "pass" }), "its chain went with the edits");
});

test("a chain of fifty is full", async () => {
  let message = MESSAGE;
  const pass = { ...(await check(await sealed(MESSAGE))), result: "pass" } as const;
  for (let i = 1; i <= 50; i++) message = await sealed(message, ED, i === 1 ? undefined : pass);
  const { result, sets } = await check(message);
  assert.deepEqual([result, sets.length], ["pass", 50]);
  assert.deepEqual(await seal(message), { kind: "left", reason: "its chain has 50 sets already" });
});
