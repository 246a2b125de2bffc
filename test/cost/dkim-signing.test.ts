import assert from "node:assert/strict";
import { test } from "node:test";
import { createSystemClock } from "../../src/base/clock.ts";
import { createSilentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import type { MessageSource } from "../../src/mail/message.ts";
import { createMailSigner } from "../../src/relay/mail-signer.ts";
import { toSigningKey, toSigningPolicy } from "../support/signing-keys.ts";

const MIB = 1024 * 1024;
const signer = createMailSigner({
  clock: createSystemClock(),
  log: createSilentLog(),
  metrics: createMetrics(),
});
const POLICY = toSigningPolicy([toSigningKey("example.org", "s1")]);

test("a message of 48 MiB is signed with the memory of a small one", async () => {
  const head = Buffer.from("From: a@example.org\r\n\r\n");
  // The same octets again and again: what grows is what the signer keeps.
  const chunk = Buffer.alloc(65_536, "0123456789 \t\r\n");
  const chunks = (48 * MIB) / chunk.length;
  const memory = () => process.memoryUsage().arrayBuffers;
  const before = memory();
  let most = 0;
  const source: MessageSource = {
    size: head.length + chunks * chunk.length,
    async *read() {
      yield head;
      for (let i = 0; i < chunks; i++) {
        yield chunk;
        most = Math.max(most, memory() - before);
      }
    },
  };
  const { record, source: signed } = await signer.sign(POLICY, source, null);
  assert.equal(record.kind, "signed");
  assert.ok(signed.size > source.size);
  assert.ok(most < 8 * MIB, `${most} octets were kept`);
});

test("a header of thousands of fields is signed, or left when a signature would name them all", async () => {
  const lines = (name: string, count: number) => `${name}: x\r\n`.repeat(count);
  const sign = async (more: string) => {
    const bytes = Buffer.from(`From: a@example.org\r\n${more}\r\nHi\r\n`);
    const source = { size: bytes.length, read: () => [bytes] } as unknown as MessageSource;
    return (await signer.sign(POLICY, source, null)).record.kind;
  };
  assert.equal(await sign(lines("X", 20_000)), "signed");
  assert.equal(await sign(lines("Subject", 20_000)), "unsigned");
  assert.equal(await sign(lines("List-Id", 20_000)), "unsigned");
});
