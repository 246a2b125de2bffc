import type { KeyType } from "../src/auth/dkim/signing-key.ts";
import { createSystemClock } from "../src/base/clock.ts";
import { createSilentLog } from "../src/base/log.ts";
import { createMetrics } from "../src/base/metrics.ts";
import { createMailSigner } from "../src/relay/mail-signer.ts";
import { toBytesSource } from "../test/support/bytes-source.ts";
import {
  makeEd25519Key,
  makeRsaKey,
  type SigningKey,
  signMessage,
} from "../test/support/dkim-signer.ts";
import { judgeSender, reportOf } from "../test/support/judge-stages.ts";
import { toSigningKey, toSigningPolicy } from "../test/support/signing-keys.ts";
import { toZoneResolver } from "../test/support/zone-resolver.ts";

const ROUNDS = 5;
const MESSAGES = 1000;
const BYTES = 4096;
const HEAD = "From: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\nDate: x\r\n\r\n";

/** CPU of SPF, DKIM, From and DMARC for one signed message, with DNS as from a cache. */
async function cpuMs(key: SigningKey, bytes: number): Promise<number> {
  const line = `${"x".repeat(76)}\r\n`;
  const plain = HEAD + line.repeat(Math.ceil((bytes - HEAD.length) / line.length));
  const message = signMessage(plain, { key, domain: "example.org" });
  const resolver = toZoneResolver({
    "TXT example.org": ["v=spf1 ip4:192.0.2.1 -all"],
    "TXT s1._domainkey.example.org": [key.record],
    "TXT _dmarc.example.org": ["v=DMARC1; p=reject"],
  });
  const mail = { message, resolver, ip: "192.0.2.1", sender: "a@example.org" };
  const { evidence } = reportOf(await judgeSender(mail), "dkim");
  if (!JSON.stringify(evidence).includes('"pass"')) throw new Error("the signature does not pass");
  const before = process.cpuUsage();
  for (let i = 0; i < MESSAGES; i++) await judgeSender(mail);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / MESSAGES;
}

/** CPU of a signature under the same message, the thread that makes it included. */
async function signingMs(type: KeyType, bits: number): Promise<number> {
  const policy = toSigningPolicy([toSigningKey("example.org", "s1", type, bits)]);
  const log = createSilentLog();
  const signer = createMailSigner({ clock, log, metrics: createMetrics() });
  const line = `${"x".repeat(76)}\r\n`;
  const source = toBytesSource(HEAD + line.repeat(Math.ceil((BYTES - HEAD.length) / line.length)));
  const before = process.cpuUsage();
  for (let i = 0; i < MESSAGES; i++) {
    const { record } = await signer.sign(policy, source, null);
    if (record.kind !== "signed") throw new Error("it was not signed");
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / MESSAGES;
}

const clock = createSystemClock();
const KEYS: Readonly<Record<string, SigningKey>> = {
  "rsa 1024": makeRsaKey(1024),
  "rsa 2048": makeRsaKey(2048),
  "rsa 4096": makeRsaKey(4096),
  ed25519: makeEd25519Key(),
};
for (const [name, key] of Object.entries(KEYS)) {
  const started = clock.monotonic();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await cpuMs(key, BYTES));
  const seconds = ((clock.monotonic() - started) / 1000).toFixed(0);
  process.stdout.write(
    `${name.padEnd(9)} ${Math.min(...times).toFixed(2)} ms CPU a message of ${BYTES} octets (${seconds} s)\n`,
  );
}

for (const [type, bits] of [
  ["rsa", 2048],
  ["ed25519", 256],
] as const) {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await signingMs(type, bits));
  process.stdout.write(
    `signing, ${type.padEnd(7)} ${Math.min(...times).toFixed(2)} ms CPU a message of ${BYTES} octets\n`,
  );
}
