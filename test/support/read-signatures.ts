import { type ArcCheck, createArcReading } from "../../src/auth/arc/check-arc.ts";
import { createDkimReading } from "../../src/auth/dkim/check-dkim.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { createSystemClock } from "../../src/base/clock.ts";
import { createDnsResolver } from "../../src/net/dns-resolver.ts";
import { createLookupScope } from "../../src/net/resolver.ts";

const TIMEOUT_MS = 20_000;

export interface ReadSignatures {
  /** `pass example.org r1` of each, from the top. */
  readonly dkim: readonly string[];
  readonly arc: ArcCheck;
}

/** What Postern itself says of a message, with keys from a real name server, `host:port`. */
export async function readSignatures(message: Buffer, server: string): Promise<ReadSignatures> {
  const clock = createSystemClock();
  const resolver = createDnsResolver({ clock, timeoutMs: TIMEOUT_MS, servers: [server] });
  try {
    const scope = createLookupScope(new AbortController().signal);
    const keys = createKeyLookup(resolver, scope);
    const dkim = createDkimReading();
    const arc = createArcReading();
    dkim.write(message);
    arc.write(message);
    const { signatures } = await dkim.end({ keys, mustSign: ["from"], receivedAt: clock.now() });
    return {
      dkim: signatures.map(({ result, domain, selector }) => `${result} ${domain} ${selector}`),
      arc: await arc.end({ keys, receivedAt: clock.now() }),
    };
  } finally {
    resolver.close();
  }
}
