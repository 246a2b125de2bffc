import { createHash, type Hash } from "node:crypto";
import { type CanonicalBody, createCanonicalBody } from "./canonical-body.ts";
import type { Canonicalization } from "./dkim-signature.ts";

export interface BodyHash {
  readonly hash: Buffer;
  /** Octets of the canonical body. */
  readonly octets: number;
}

/** One hash a canonicalisation, however many signatures there are. */
export interface BodyHashes {
  write(chunk: Buffer): void;
  end(): ReadonlyMap<Canonicalization, BodyHash>;
}

export function createBodyHashes(modes: ReadonlySet<Canonicalization>): BodyHashes {
  const running = [...modes].map((mode): Running => {
    const hash = createHash("sha256");
    return { mode, hash, body: createCanonicalBody(mode, (octets) => void hash.update(octets)) };
  });
  return {
    write(chunk) {
      if (chunk.length > 0) for (const { body } of running) body.write(chunk);
    },
    end() {
      return new Map(
        running.map(({ mode, hash, body }) => {
          const octets = body.end();
          return [mode, { hash: hash.digest(), octets }];
        }),
      );
    },
  };
}

interface Running {
  readonly mode: Canonicalization;
  readonly hash: Hash;
  readonly body: CanonicalBody;
}
