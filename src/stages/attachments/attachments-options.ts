import { supportedExtensions } from "file-type";
import { z } from "zod";
import { TRUE_TYPES } from "../../mail/true-type-words.ts";
import {
  ALLOWED_NAMES,
  ALLOWED_TYPES,
  FORBIDDEN_NAMES,
  FORBIDDEN_TRUE_TYPES,
  FORBIDDEN_TYPES,
} from "./forbidden-lists.ts";

/** What to do with mail that may hide something. `stamp`: a finding, and the mail goes on. */
const doubt = z.enum(["reject", "quarantine", "stamp"]);
export type AttachmentAction = z.infer<typeof doubt>;

/** Names have at most 255 octets on every file system; a pattern beyond it can match nothing. */
const PATTERN_CHARS_MAX = 255;
/** Each name of each part and entry is held against each pattern. */
const PATTERNS_MAX = 1000;

const pattern = z.string().min(1).max(PATTERN_CHARS_MAX);

const names = z
  .array(pattern.refine((text) => !/[/\\]/.test(text), "expected a file name without folder"))
  .max(PATTERNS_MAX);

const types = z
  .array(pattern.refine((text) => text.includes("/") || text === "*", "expected type/subtype"))
  .max(PATTERNS_MAX);

const trueTypes = z
  .array(z.string().refine(isKnownType, "expected a type that we can tell, such as `pe`"))
  .max(PATTERNS_MAX);

/** Our own words, and the extensions by which the package names what it knows. */
function isKnownType(word: string): boolean {
  return TRUE_TYPES.some((type) => type === word) || supportedExtensions.has(word);
}

/**
 * `attachments.yaml`. In patterns `*` stands for any characters and `?` for one; case does not
 * count. A list that is written replaces the shipped one.
 */
export const attachmentsOptions = z.strictObject({
  /** `deny`: what is listed is forbidden. `allow`: every attachment that is not listed is. */
  mode: z.enum(["deny", "allow"]).default("deny"),
  names: names.default([...FORBIDDEN_NAMES]),
  types: types.default([...FORBIDDEN_TYPES]),
  /** What the octets are. Forbidden in both modes. */
  trueTypes: trueTypes.default([...FORBIDDEN_TRUE_TYPES]),
  allow: z
    .strictObject({
      names: names.default([...ALLOWED_NAMES]),
      types: types.default([...ALLOWED_TYPES]),
    })
    .prefault({}),
  /** Also the names inside archives, first level. */
  archives: z.strictObject({ inside: z.boolean().default(true) }).prefault({}),
  onForbidden: z.enum(["reject", "quarantine"]).default("reject"),
  /** Mail in which readers may find another attachment than we did. */
  onAmbiguous: doubt.default("quarantine"),
  /** A limit was reached, or an archive cannot be listed. */
  onUnscannable: doubt.default("quarantine"),
  /** Archives with a password. */
  onEncryptedArchive: doubt.default("quarantine"),
  /** S/MIME and OpenPGP around the content: only its reader can look inside. */
  onSealedMessage: doubt.default("quarantine"),
});

export type AttachmentsOptions = z.infer<typeof attachmentsOptions>;
