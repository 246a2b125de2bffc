import { type ArcCheck, createArcReading } from "../../src/auth/arc/check-arc.ts";
import { createKeyLookup } from "../../src/auth/dkim/key-lookup.ts";
import { createLookupScope } from "../../src/net/resolver.ts";
import { toZoneResolver, type Zone } from "./zone-resolver.ts";

export interface VerifiedArc {
  readonly zone: Zone;
  readonly chunkBytes?: number;
  readonly receivedAt?: number;
  /** Names of the keys that were asked for are noted here. */
  readonly asked?: string[];
}

/** What our verifier says of the chain in a message. */
export function verifyArc(message: string, given: VerifiedArc): Promise<ArcCheck> {
  const { zone, chunkBytes = 65_536, receivedAt = Date.UTC(2026, 0, 1), asked = [] } = given;
  const reading = createArcReading();
  const bytes = Buffer.from(message, "latin1");
  for (let at = 0; at < bytes.length; at += chunkBytes)
    reading.write(bytes.subarray(at, at + chunkBytes));
  const scope = createLookupScope(new AbortController().signal);
  return reading.end({ keys: createKeyLookup(toZoneResolver(zone, asked), scope), receivedAt });
}
