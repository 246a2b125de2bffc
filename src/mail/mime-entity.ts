import { createHash } from "node:crypto";
import type { PartHeader } from "./mime-header.ts";
import type { MimeNote, MimePart } from "./mime-part.ts";
import { createTransferDecoder, isIdentityEncoding } from "./transfer-decoder.ts";

/** One part while it streams by: decodes, counts, hashes. */
export interface Entity {
  readonly path: string;
  readonly depth: number;
  readonly header: PartHeader;
  /** As it was at `open`: what visitors get with each chunk. */
  readonly opened: MimePart;
  note(note: MimeNote): void;
  /** The decoded octets, counted and hashed. */
  write(chunk: Buffer): Buffer;
  /** The last decoded octets. */
  finish(): Buffer;
  snapshot(): MimePart;
}

export function createEntity(path: string, depth: number, header: PartHeader): Entity {
  const place = { path, depth };
  const isContainer = header.kind !== "leaf";
  const notes = new Set(header.notes);
  const decoder = createTransferDecoder(firstEncoding(header));
  // Octets of a multipart belong to its parts; so do those of a message, unless it is encoded.
  const hasOctets = !isContainer || (header.kind === "message" && !isPlainlyEncoded(header));
  const hash = hasOctets ? createHash("sha256") : null;
  let decodedBytes = 0;
  let sha256: string | null = null;

  function count(octets: Buffer): Buffer {
    decodedBytes += octets.length;
    hash?.update(octets);
    return octets;
  }

  const snapshot = (): MimePart => ({
    path: place.path,
    depth: place.depth,
    declaredTypes: header.declaredTypes,
    encodings: header.encodings,
    disposition: header.disposition,
    fileNames: header.fileNames,
    isContainer,
    decodedBytes,
    ...(sha256 === null ? {} : { sha256 }),
    notes: [...notes],
  });

  return {
    ...place,
    header,
    opened: snapshot(),
    note: (note) => void notes.add(note),
    write: (chunk) => count(decoder.write(chunk)),
    finish() {
      const rest = count(decoder.end());
      for (const note of decoder.notes()) notes.add(note);
      sha256 = hash?.digest("hex") ?? null;
      return rest;
    },
    snapshot,
  };
}

/** Of several encodings the first that changes octets: no octets that a reader sees stay hidden. */
function firstEncoding(header: PartHeader): string {
  return header.encodings.find((name) => !isIdentityEncoding(name)) ?? "";
}

/** True when the octets of the part stand in the message as they are. */
export function isPlainlyEncoded(header: PartHeader): boolean {
  return firstEncoding(header) === "";
}
