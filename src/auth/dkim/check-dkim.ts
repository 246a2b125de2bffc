import type { HeaderBlock } from "../../mail/header-block.ts";
import { type BodyHashes, createBodyHashes } from "./body-hash.ts";
import { type ParsedSignature, parseSignature } from "./dkim-signature.ts";
import type { KeyLookup } from "./key-lookup.ts";
import { createMessageReading } from "./message-reading.ts";
import { type DkimSignatureCheck, verifySignature } from "./verify-signature.ts";

/** Plain JSON with all that Authentication-Results, DMARC and explain need. */
export type DkimCheck = {
  readonly signatures: readonly DkimSignatureCheck[];
  /** Signatures that were not looked at. */
  readonly omitted: number;
  /** Names of fields that a signature had to cover. */
  readonly mustSign: readonly string[];
};

export interface DkimQuestion {
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly mustSign: readonly string[];
  readonly keys: KeyLookup;
}

/** A message under verification: it streams by, and is not kept but for its header. */
export interface DkimReading {
  write(chunk: Buffer): void;
  end(question: DkimQuestion): Promise<DkimCheck>;
}

/** behaviour.md section 5. Each costs a look-up and a public-key operation; honest mail has 1 to 3. */
export const MAX_SIGNATURES = 10;

/**
 * Reads the DKIM signatures of a message (RFC 6376), in whatever chunks it comes. Never throws for
 * anything that a sender or a zone can do but a header that is too large to keep.
 */
export function createDkimReading(): DkimReading {
  const { write, head } = createMessageReading(readHead);
  return {
    write,
    async end({ keys, mustSign, receivedAt }) {
      const { headers, signatures, omitted, bodies } = head();
      const message = { headers, bodies: bodies.end(), mustSign, receivedAt };
      const checks = signatures.map((parsed) => verifySignature(parsed, message, keys));
      return { signatures: await Promise.all(checks), omitted, mustSign };
    },
  };
}

interface Head {
  readonly headers: HeaderBlock;
  readonly signatures: readonly ParsedSignature[];
  readonly omitted: number;
  readonly bodies: BodyHashes;
}

function readHead(headers: HeaderBlock): Head {
  const fields = headers.all("dkim-signature");
  const signatures = fields.slice(0, MAX_SIGNATURES).map(parseSignature);
  const modes = signatures.flatMap((parsed) =>
    parsed.kind === "signature" ? [parsed.signature.body] : [],
  );
  const bodies = createBodyHashes(new Set(modes));
  return { headers, signatures, omitted: fields.length - signatures.length, bodies };
}
