import assert from "node:assert/strict";
import { test } from "node:test";
import { createBufferGarbage } from "../../src/base/buffer-garbage.ts";

const MIB = 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;

test("dead Buffers are given back while octets stream by, not when 32 MiB have gathered", async () => {
  const tell = createBufferGarbage();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let at = 0; at < 200 * MIB; at += BLOCK_BYTES) {
    Buffer.allocUnsafeSlow(BLOCK_BYTES).fill(1);
    tell(BLOCK_BYTES);
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  assert.ok(most < 8 * MIB, `${most} octets were held`);
});
