/**
 * What the MIME walker says of one part. Plain JSON: it is stored as evidence.
 * A part may be read in several ways by several readers; every reading that some reader takes is
 * listed, and where readings differ there is a note (threats.md C1, C2).
 */
export type MimePart = {
  /** Position in the tree: "1", "1.2", "1.2.1". */
  readonly path: string;
  readonly depth: number;
  /** Lower-case type/subtype of every Content-Type seen; the first is the one most readers take. */
  readonly declaredTypes: readonly string[];
  /** Lower-case of every Content-Transfer-Encoding seen. */
  readonly encodings: readonly string[];
  readonly disposition: "attachment" | "inline" | null;
  /** Every candidate file name, decoded and normalised, without duplicates. */
  readonly fileNames: readonly string[];
  /** A multipart, or a message whose parts are in the tree too. */
  readonly isContainer: boolean;
  /** Octets after decoding. 0 for a container that is not itself encoded. */
  readonly decodedBytes: number;
  /** Lower-case hex over the decoded octets; absent where `decodedBytes` is 0 for a container. */
  readonly sha256?: string;
  readonly notes: readonly MimeNote[];
};

/**
 * An ambiguity or a limit. `limit-*` notes mean that the tree was not read to its end. A note
 * `duplicate-*` is made only where the copies say different things.
 */
export type MimeNote =
  | "duplicate-content-type"
  | "duplicate-encoding"
  | "duplicate-disposition"
  | "duplicate-parameter"
  /** A multipart that names no boundary, or whose text holds none. */
  | "boundary-missing"
  | "boundary-too-long"
  /** Several readings of the boundary, or octets in it that readers treat differently. */
  | "boundary-odd"
  | "boundary-never-closed"
  | "boundary-prefix-of-another"
  /** The same boundary as that of an enclosing multipart. */
  | "boundary-reused"
  /** More parts after the line that closes the multipart. */
  | "boundary-after-close"
  /** A line that starts like a boundary and goes on. */
  | "boundary-like-line"
  | "header-without-end"
  | "header-malformed"
  | "encoded-container"
  | "unknown-encoding"
  | "junk-in-base64"
  /** `-` or `_` in the middle of base64: some read them as letters. */
  | "base64-url-letters"
  | "junk-in-quoted-printable"
  | "text-outside-parts"
  | "uuencoded-text"
  | "message-partial"
  | "message-external-body"
  /** Candidate names with different extensions. */
  | "name-conflict"
  /** A name drawn in another order than it is stored (U+202E). */
  | "name-disguised"
  | "nul-octet"
  /** A CR that ends no line to us, in a header; only an encoded message can hold one. */
  | "bare-cr"
  | "limit-depth"
  | "limit-parts"
  | "limit-header";

/**
 * Receives the tree as it streams by. Calls come in document order and are awaited. Most parts are
 * opened, filled and closed before the next; but a part inside another that has octets of its own
 * (a uuencoded block in a text, a message in base64) comes between its parent's calls: tell parts
 * apart by `path`.
 */
export interface MimeVisitor {
  /** A part's header has been read. `decodedBytes` is 0 and notes are those known so far. */
  open?(part: MimePart): void | Promise<void>;
  /** Decoded octets, as given to `open`. The chunk is valid only until the call has settled. */
  body?(part: MimePart, chunk: Buffer): void | Promise<void>;
  /** The part is complete: sizes, hash and all notes are final. */
  close?(part: MimePart): void | Promise<void>;
}

/** Push parser: octets in, visitor calls out. One of `end` or nothing; dropping it is safe. */
export interface MimeWalker {
  write(chunk: Buffer): Promise<void>;
  /** All parts in document order, and the notes of the message as a whole. */
  end(): Promise<MimeTree>;
}

export type MimeTree = {
  readonly parts: readonly MimePart[];
  /** The union of all parts' notes. */
  readonly notes: readonly MimeNote[];
};
