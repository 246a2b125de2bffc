import type { ArchiveKind } from "./archive.ts";
import { isArjHeader } from "./archive-arj.ts";
import { opaqueKindOf } from "./archive-opaque.ts";
import { isTarHeader } from "./archive-tar-header.ts";

/** An ARJ header with its checksum is the longest thing to see: 2600 octets and 8. */
export const ARCHIVE_HEAD_BYTES = 4096;

/** What starts where the octets of an archive do, without zip: that is found from its end. */
export type HeadFormat = Exclude<ArchiveKind, "rar" | "zip"> | "rar4" | "rar5";

const RAR4_MARKER = Buffer.from("Rar!\x1a\x07\x00", "latin1");
export const RAR5_MARKER = Buffer.from("Rar!\x1a\x07\x01\x00", "latin1");
const SEVEN_ZIP_MARKER = Buffer.from("7z\xbc\xaf\x27\x1c", "latin1");

const MARKERS: readonly (readonly [HeadFormat, number, string])[] = [
  ["gzip", 0, "\x1f\x8b\x08"],
  ["7z", 0, "7z\xbc\xaf\x27\x1c"],
  ["rar4", 0, "Rar!\x1a\x07\x00"],
  ["rar5", 0, "Rar!\x1a\x07\x01\x00"],
  ["cab", 0, "MSCF\0\0\0\0"],
  ["ace", 7, "**ACE**"],
  ["xz", 0, "\xfd7zXZ\0"],
];

/** BZh, a block size, then the magic of a block or of the end of an empty stream. */
const BZIP2 = /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/;

/** Tells an archive by the first octets of a part (ARCHIVE_HEAD_BYTES, or all there are). */
export function headFormatOf(head: Buffer): HeadFormat | null {
  for (const [format, at, marker] of MARKERS)
    if (head.toString("latin1", at, at + marker.length) === marker) return format;
  if (BZIP2.test(head.toString("latin1", 0, 10))) return "bzip2";
  if (isArjHeader(head)) return "arj";
  return isTarHeader(head) ? "tar" : opaqueKindOf(head);
}

/** RAR and 7-Zip look past a picture or a program for an archive behind it. */
export function findEmbedded(octets: Buffer): { at: number; format: HeadFormat } | null {
  const found = (
    [
      ["rar4", RAR4_MARKER],
      ["rar5", RAR5_MARKER],
      ["7z", SEVEN_ZIP_MARKER],
    ] as const
  )
    .map(([format, marker]) => ({ format, at: octets.indexOf(marker) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at);
  return found[0] ?? null;
}
