import type { TestContext } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { afterwards } from "./afterwards.ts";
import { type FakeZone, startFakeDns } from "./fake-dns.ts";

/** Our resolver in front of a server with this zone, for as long as the test lasts. */
export async function fakedResolver(t: TestContext, zone: FakeZone, clock: Clock) {
  const dns = await startFakeDns(zone);
  const resolver = createDnsResolver({ clock, servers: [dns.address] });
  afterwards(t, async () => {
    resolver.close();
    await dns.close();
  });
  return { dns, resolver };
}
