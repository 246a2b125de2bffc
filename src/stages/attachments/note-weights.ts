import type { ArchiveNote } from "../../mail/archive.ts";
import type { MimeNote } from "../../mail/mime-part.ts";
import type { AttachmentPart } from "./attachments-evidence.ts";
import { isAttachment } from "./find-forbidden.ts";
import { opaqueIn } from "./opaque-parts.ts";

/**
 * What a note means for the attachments:
 * - `ambiguous`: some reader may find a name, a type or octets that are in none of our parts;
 * - `ambiguous-attachment`: so, but only where the part is an attachment; in text it is bad style;
 * - `ambiguous-multipart`: so, but only where the part is a multipart; what is in an encoded message
 *   is in our parts too;
 * - `unscannable`: we did not read it to its end;
 * - `encrypted`: nobody can without the password;
 * - `odd`: readers build another tree, but of parts that were all looked at, or repair it alike.
 *   Common in mail of honest but old programs.
 */
type Weight =
  | "ambiguous"
  | "ambiguous-attachment"
  | "ambiguous-multipart"
  | "unscannable"
  | "encrypted"
  | "odd";

const MIME_WEIGHTS: { readonly [N in MimeNote]: Weight } = {
  // Of a multipart and a leaf, or of two encodings, only one reading was decoded.
  "duplicate-content-type": "ambiguous",
  "duplicate-encoding": "ambiguous",
  "duplicate-disposition": "ambiguous",
  "duplicate-parameter": "ambiguous",
  // Some readers guess one, or compare otherwise, and find parts in what is one text to us.
  "boundary-missing": "ambiguous-multipart",
  "boundary-too-long": "odd",
  "boundary-odd": "ambiguous",
  "boundary-never-closed": "odd",
  // Both are the same lines to every reader, so the parts are the same in another tree.
  "boundary-prefix-of-another": "odd",
  "boundary-reused": "odd",
  "boundary-after-close": "odd",
  // RFC 2046 5.1.1 lets readers compare only the start of a line: to them a part begins here.
  "boundary-like-line": "ambiguous",
  "header-without-end": "ambiguous-attachment",
  // Some readers begin the body at a line that is no field.
  "header-malformed": "ambiguous-attachment",
  "encoded-container": "ambiguous-multipart",
  "unknown-encoding": "ambiguous-attachment",
  "junk-in-base64": "odd",
  "base64-url-letters": "ambiguous-attachment",
  "junk-in-quoted-printable": "odd",
  "text-outside-parts": "ambiguous",
  "uuencoded-text": "odd",
  // Their types are on the list of forbidden ones.
  "message-partial": "odd",
  "message-external-body": "odd",
  // Every candidate was held against the lists.
  "name-conflict": "odd",
  "name-disguised": "ambiguous",
  "nul-octet": "ambiguous",
  // To some readers a line ends there, and so a whole header is ours in one field.
  "bare-cr": "ambiguous",
  "limit-depth": "unscannable",
  "limit-parts": "unscannable",
  "limit-header": "unscannable",
};

const ARCHIVE_WEIGHTS: { readonly [N in ArchiveNote]: Weight } = {
  // Readers of the central directory and of the local headers see other files.
  "name-mismatch": "ambiguous",
  "path-traversal": "ambiguous",
  // Self-extracting archives, and documents that hold documents; every entry was found all the same.
  "data-before": "odd",
  "data-behind": "odd",
  "encrypted-names": "encrypted",
  overlap: "unscannable",
  malformed: "unscannable",
  truncated: "unscannable",
  "not-listable": "unscannable",
  "limit-entries": "unscannable",
  "limit-bytes": "unscannable",
  "limit-ratio": "unscannable",
  "limit-time": "unscannable",
};

export type Doubt = "ambiguous" | "unscannable" | "encrypted" | "sealed" | "odd";

/** Each thing that is doubtful about a part, with what it means. */
export function doubtsOf(part: AttachmentPart): readonly (readonly [doubt: Doubt, note: string])[] {
  const ofPart = [
    ...part.notes.map((note) => [weigh(MIME_WEIGHTS[note], part), note] as const),
    ...opaqueIn(part),
  ];
  const { archive } = part;
  if (archive === null) return ofPart;
  const ofArchive = archive.notes.map(
    (note) => [weigh(ARCHIVE_WEIGHTS[note], part), `${archive.kind} ${note}`] as const,
  );
  const locked = archive.entries.find(({ isEncrypted }) => isEncrypted);
  if (!locked) return [...ofPart, ...ofArchive];
  const entry = `${archive.kind} entry ${locked.names[0] ?? "without a name"} is encrypted`;
  return [...ofPart, ...ofArchive, ["encrypted", entry]];
}

function weigh(weight: Weight, part: AttachmentPart): Doubt {
  if (weight === "ambiguous-attachment") return isAttachment(part) ? "ambiguous" : "odd";
  if (weight === "ambiguous-multipart") return isMultipart(part) ? "ambiguous" : "odd";
  return weight;
}

function isMultipart({ declaredTypes }: AttachmentPart): boolean {
  return declaredTypes.some((type) => type.startsWith("multipart/"));
}
