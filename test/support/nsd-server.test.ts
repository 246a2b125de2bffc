import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { test } from "node:test";
import { noNsd, startNsd } from "./nsd-server.ts";

test("the name server answers for its zones and refuses the rest", { skip: noNsd() }, async () => {
  const records = `mx1 A 127.0.0.2
mx1 AAAA ::1
example MX 10 mx1
null MX 0 .
_25._tcp.mx1 TLSA 3 1 1 ${"ab".repeat(32)}
`;
  const server = await startNsd({ test: records });
  try {
    const resolver = new Resolver({ timeout: 2000, tries: 3 });
    resolver.setServers([server.address]);
    assert.deepEqual(await resolver.resolve4("mx1.test"), ["127.0.0.2"]);
    assert.deepEqual(await resolver.resolve6("mx1.test"), ["::1"]);
    const [mx] = await resolver.resolveMx("example.test");
    assert.deepEqual([mx?.priority, mx?.exchange], [10, "mx1.test"]);
    const [tlsa] = await resolver.resolveTlsa("_25._tcp.mx1.test");
    assert.deepEqual([tlsa?.certUsage, tlsa?.selector, tlsa?.match], [3, 1, 1]);
    await assert.rejects(resolver.resolve4("no.test"), { code: "ENOTFOUND" });
    await assert.rejects(resolver.resolve4("elsewhere.example"), { code: "EREFUSED" });
  } finally {
    await server.stop();
  }
});
