import type { AttachmentPart } from "./attachments-evidence.ts";

type OpaqueDoubt = readonly [doubt: "encrypted" | "sealed" | "unscannable", note: string];

/** What a part holds and we did not look into, though a reader will. */
export function opaqueIn(part: AttachmentPart): readonly OpaqueDoubt[] {
  const seal = sealOf(part);
  const writtenOut = WRITTEN_OUT.find((type) => part.trueTypes.includes(type));
  const isLocked = part.trueTypes.includes("office-encrypted");
  const nested = nestedIn(part);
  return [
    ...(seal === null ? [] : [["sealed", seal] as const]),
    ...(isLocked ? [["encrypted", "the document needs a password"] as const] : []),
    ...(writtenOut ? [["unscannable", `a file is written out as ${writtenOut}`] as const] : []),
    ...(nested === null ? [] : [["unscannable", `archive ${nested} in an archive`] as const]),
  ];
}

const WRITTEN_OUT = ["binhex", "yenc"] as const;

/**
 * S/MIME that is encrypted, or signed around its content (RFC 8551 3.3, 3.5.2), and OpenPGP (RFC
 * 3156, RFC 9580). A signature beside its content hides nothing.
 */
const SEALED_TYPES: readonly string[] = [
  ...["application/pkcs7-mime", "application/x-pkcs7-mime", "application/cms"],
  ...["application/pgp-encrypted", "multipart/encrypted"],
];
const SEALED_NAME = /\.(?:p7m|p7z|pgp|gpg)$/i;

function sealOf({ declaredTypes, fileNames, trueTypes }: AttachmentPart): string | null {
  if (trueTypes.includes("pgp")) return "the octets are a sealed message of OpenPGP";
  const type = declaredTypes.find((declared) => SEALED_TYPES.includes(declared));
  if (type !== undefined) return `type ${type} is sealed`;
  const name = fileNames.find((candidate) => SEALED_NAME.test(candidate));
  return name === undefined ? null : `name ${name} is that of a sealed file`;
}

const ARCHIVE_NAME =
  /\.(?:zipx?|7z|rar|cab|arj|ace|lzh|lha|zoo|alz|egg|tgz|tbz2?|txz|tzst|gz|bz2?|xz|lz4?|lzma|zst|z)$/i;
const TAR_NAME = /\.tar$/i;
const STREAM_NAME = /\.(?:gz|bz2?|xz|zst|z)$/i;

/** Only the first level of an archive is listed. A tar in gzip is one archive to everybody. */
function nestedIn({ archive, fileNames }: AttachmentPart): string | null {
  if (archive === null) return null;
  const isStream = archive.kind === "gzip";
  const packed = isStream ? fileNames.filter((name) => STREAM_NAME.test(name)) : [];
  const unpacked = packed.map((name) => name.replace(STREAM_NAME, ""));
  const inside = archive.entries.filter(({ isFolder }) => !isFolder).flatMap(({ names }) => names);
  const isNested = (name: string) => ARCHIVE_NAME.test(name) || (!isStream && TAR_NAME.test(name));
  return [...inside, ...unpacked].find(isNested) ?? null;
}
