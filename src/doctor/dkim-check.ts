import { createKeyLookup } from "../auth/dkim/key-lookup.ts";
import { lookUpOwnKey, type PublishedKey } from "../auth/dkim/published-key.ts";
import { WANTED_RSA_BITS } from "../auth/dkim/signing-key.ts";
import { createLookupScope, type Resolver } from "../net/resolver.ts";
import type { NamedSigningKey, SigningPolicy } from "../policy/snapshot.ts";
import type { DoctorCheck, Finding } from "./doctor.ts";

export interface DkimCheckInput {
  readonly signing: SigningPolicy;
  readonly resolver: Pick<Resolver, "lookup">;
}

/** For all keys together. */
const PATIENCE_MS = 30_000;

/** Whether DNS has the public half of each key that we sign with: without it no signature counts. */
export function dkimCheck({ signing, resolver }: DkimCheckInput): DoctorCheck {
  return {
    name: "dkim",
    async run() {
      const scope = createLookupScope(AbortSignal.timeout(PATIENCE_MS));
      const lookup = createKeyLookup(resolver, scope);
      const keys = ownKeys(signing);
      const look = async (key: NamedSigningKey) => judge(key, await lookUpOwnKey(key, lookup));
      return Promise.all(keys.map(look));
    },
  };
}

/** Each name in DNS once: a wildcard may use the key of its domain. */
export function ownKeys({ all, sealing }: SigningPolicy): readonly NamedSigningKey[] {
  const keys = [...all.flatMap((entry) => entry.keys), ...(sealing ? [sealing.key] : [])];
  return [
    ...new Map(keys.map((key) => [`${key.selector} ${key.domain} ${key.file}`, key])).values(),
  ];
}

function judge(key: NamedSigningKey, found: PublishedKey): Finding {
  const subject = found.name;
  if (found.kind === "unknown")
    return { subject, status: "warn", detail: `DNS did not answer: ${found.reason}` };
  if (found.kind === "wrong") {
    const detail = `${found.reason}; signatures made with ${key.file} count for nothing`;
    return { subject, status: "fail", detail };
  }
  if (found.isTesting)
    return { subject, status: "warn", detail: "published, with t=y: nobody need heed it" };
  const isShort = key.algorithm === "rsa-sha256" && key.bits < WANTED_RSA_BITS;
  if (isShort)
    return { subject, status: "warn", detail: `published, and short: ${key.bits} bits of RSA` };
  return { subject, status: "ok", detail: `published as ${key.file} has it` };
}
