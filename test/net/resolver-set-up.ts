import type { TestContext } from "node:test";
import { createDnsResolver, type DnsResolverOptions } from "../../src/net/dns-resolver.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { afterwards } from "../support/afterwards.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { type FakeDnsOptions, type FakeZone, startFakeDns } from "../support/fake-dns.ts";

export const ZONE: FakeZone = {
  "mail.example.org": { A: ["192.0.2.1", "192.0.2.2"], AAAA: ["2001:DB8:0:0:0:0:0:1"] },
  "example.org": {
    MX: [
      [20, "b.example.org"],
      [10, "a.example.org"],
    ],
    TXT: ["v=spf1 -all", ["one ", "and two"], "\xef\xbb\xbf"],
  },
  "null.example.org": { MX: [[0, ""]] },
  "1.2.0.192.in-addr.arpa": { PTR: ["mail.example.org"] },
  "alias.example.org": { CNAME: "Alias2.example.org" },
  "alias2.example.org": { CNAME: "mail.example.org" },
  "loop.example.org": { CNAME: "LOOP.example.org" },
  "dangling.example.org": { CNAME: "nowhere.example.org" },
};

type Options = Partial<DnsResolverOptions> & { readonly dns?: FakeDnsOptions };

/** A server, a resolver on a clock of its own, and a scope; the clock moves when a query is lost. */
export async function setUpResolver(
  t: TestContext,
  { dns: dnsOptions = {}, ...options }: Options = {},
) {
  const dns = await startFakeDns(ZONE, dnsOptions);
  const clock = createFakeClock();
  dns.onDrop(() => void clock.advance(2000));
  const resolver = createDnsResolver({ clock, servers: [dns.address], ...options });
  afterwards(t, async () => {
    resolver.close();
    await dns.close();
  });
  const scope = createLookupScope(new AbortController().signal);
  return { dns, clock, resolver, scope };
}
