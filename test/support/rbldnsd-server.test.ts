import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { test } from "node:test";
import { noRbldnsd, startRbldnsd } from "./rbldnsd-server.ts";

test("the block list server answers for listed addresses only", { skip: noRbldnsd() }, async () => {
  const server = await startRbldnsd({
    "bl.test": { dataset: "ip4set", data: ":127.0.0.4:Listed, see https://bl.test/$\n127.0.0.66" },
  });
  try {
    const resolver = new Resolver({ timeout: 2000, tries: 2 });
    resolver.setServers([server.address]);
    assert.deepEqual(await resolver.resolve4("66.0.0.127.bl.test"), ["127.0.0.4"]);
    const texts = await resolver.resolveTxt("66.0.0.127.bl.test");
    assert.deepEqual(texts, [["Listed, see https://bl.test/127.0.0.66"]]);
    await assert.rejects(resolver.resolve4("67.0.0.127.bl.test"), { code: "ENOTFOUND" });
  } finally {
    await server.stop();
  }
});
