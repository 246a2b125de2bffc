import { makeExportKeyPair, parsePrivateKey } from "../../src/policy/export-key.ts";
import { createExportBuilder } from "../../src/policy/hashed-export.ts";
import { parseRecipientEntry } from "../../src/policy/recipient-key.ts";

/** Whoever signs exports, and what domains.yaml calls him. */
export interface TestExporter {
  readonly privatePem: string;
  readonly key: string;
  /** An export with these lines; the salts are all the same unless they are given. */
  make(lines: readonly string[], about?: ExportTimes): Buffer;
}

export interface ExportTimes {
  readonly createdAt?: number;
  readonly freshForMs?: number | null;
  readonly salt?: (domain: string) => Buffer;
}

export function createTestExporter(): TestExporter {
  const { privatePem, publicText } = makeExportKeyPair();
  const privateKey = parsePrivateKey(privatePem);
  if (!privateKey) throw new Error("no private key");
  return {
    privatePem,
    key: publicText,
    make(lines, { createdAt = Date.now(), freshForMs = null, salt = fixedSalt } = {}) {
      const builder = createExportBuilder(salt);
      for (const line of lines) {
        const entry = parseRecipientEntry(line);
        if (!entry) throw new Error(`${line} is no address`);
        builder.add(entry);
      }
      return Buffer.concat([...builder.finish({ createdAt, freshForMs, privateKey }).pieces]);
    },
  };
}

function fixedSalt(): Buffer {
  return Buffer.alloc(16, 7);
}
