import { headFormatOf } from "./archive-kind.ts";
import type { TrueType } from "./true-type-words.ts";

/** What is kept of a part to tell its type. */
export interface PartEnds {
  readonly head: Buffer;
  /** The last octets; they overlap with `head` where the part is short. */
  readonly tail: Buffer;
  readonly size: number;
}

/** [type, place, octets as Latin-1]. A place below zero counts from the end. */
const MAGIC: readonly (readonly [TrueType, number, string])[] = [
  ["elf", 0, "\x7fELF"],
  ["macho", 0, "\xfe\xed\xfa\xce"],
  ["macho", 0, "\xfe\xed\xfa\xcf"],
  ["macho", 0, "\xce\xfa\xed\xfe"],
  ["macho", 0, "\xcf\xfa\xed\xfe"],
  ["lnk", 0, "\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"],
  // ECMA-119 8.1 and the volume recognition of UDF (ECMA-167 part 2): from sector 16 of 2048 on.
  ["iso", 0x8001, "CD001"],
  ["iso", 0x8801, "CD001"],
  ["iso", 0x9001, "CD001"],
  ["iso", 0x8001, "BEA01"],
  ["iso", 0x8801, "BEA01"],
  ["iso", 0x9001, "BEA01"],
  ["onenote", 0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3"],
  ["onenote", 0, "\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f"],
  ["vhd", 0, "conectix"],
  // A fixed disk has its footer at the end only; old ones one octet less (VHD specification).
  ["vhd", -512, "conectix"],
  ["vhd", -511, "conectix"],
  ["vhdx", 0, "vhdxfile"],
  ["wim", 0, "MSWIM\0\0\0"],
  ["chm", 0, "ITSF"],
  ["hlp", 0, "?_\x03\0"],
  ["ole2", 0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"],
  ["zip", 0, "PK\x03\x04"],
  ["zip", 0, "PK\x05\x06"],
  ["zip", 0, "PK\x07\x08PK"],
  ["zip", 0, "PK00PK"],
  ["png", 0, "\x89PNG\r\n\x1a\n"],
  ["jpeg", 0, "\xff\xd8\xff"],
  ["gif", 0, "GIF87a"],
  ["gif", 0, "GIF89a"],
];

const DOS_HEADER_BYTES = 28;
const PE_POINTER_AT = 0x3c;
/** Fat Mach-O has a count where a Java class has its version, which began at 45. */
const JAVA_VERSION_MIN = 45;
/** Readers of PDF take the mark anywhere in the first 1024 octets (ISO 32000-1, annex H.3.4.1). */
const PDF_MARK_WITHIN = 1024;
const SWF_VERSION_MAX = 64;

/** Every type whose octets are there. */
export function typesByMagic(ends: PartEnds): readonly TrueType[] {
  const { head } = ends;
  const archive = headFormatOf(head);
  return [
    ...MAGIC.filter(([, at, octets]) => hasOctets(ends, at, octets)).map(([type]) => type),
    ...(archive === "rar4" || archive === "rar5" ? (["rar"] as const) : archive ? [archive] : []),
    ...programTypes(ends),
    ...(isPdf(head) ? (["pdf"] as const) : []),
    ...(/^[CFZ]WS$/.test(ascii(head, 0, 3)) && (head[3] ?? 255) < SWF_VERSION_MAX
      ? (["swf"] as const)
      : []),
    ...(isIcon(head) ? (["ico"] as const) : []),
    ...zipTypes(ends),
  ];
}

function hasOctets({ head, tail }: PartEnds, at: number, octets: string): boolean {
  if (at >= 0) return ascii(head, at, octets.length) === octets;
  return tail.length >= -at && ascii(tail, tail.length + at, octets.length) === octets;
}

function programTypes({ head, size }: PartEnds): readonly TrueType[] {
  if (head.length >= 8 && head.readUInt32BE(0) === 0xcafebabe)
    return [head.readUInt32BE(4) < JAVA_VERSION_MIN ? "macho" : "java-class"];
  const mark = ascii(head, 0, 2);
  if (head.length < DOS_HEADER_BYTES || (mark !== "MZ" && mark !== "ZM")) return [];
  if (head.length < PE_POINTER_AT + 4) return ["dos"];
  const at = head.readUInt32LE(PE_POINTER_AT);
  // Where we kept nothing it may well be: what was not looked at is not harmless.
  const isPe = at + 4 > head.length ? at + 4 <= size : ascii(head, at, 4) === "PE\0\0";
  return isPe ? ["pe"] : ["dos"];
}

function isPdf(head: Buffer): boolean {
  return head.subarray(0, PDF_MARK_WITHIN + 5).indexOf("%PDF-") >= 0;
}

function isIcon(head: Buffer): boolean {
  return head.length >= 22 && /^\0\0[\x01\x02]\0[^\0]\0/.test(ascii(head, 0, 6)) && head[9] === 0;
}

const ZIP_MEMBERS: readonly (readonly [TrueType, string])[] = [
  ["ooxml", "[Content_Types].xml"],
  ["jar", "META-INF/MANIFEST.MF"],
  ["appx", "AppxManifest.xml"],
  ["appx", "AppxBundleManifest.xml"],
  ["odf", "mimetypeapplication/vnd.oasis."],
];

/** A zip is found from its end, so it may stand behind anything; names say what it is for. */
function zipTypes({ head, tail }: PartEnds): readonly TrueType[] {
  const isAtEnd = tail.indexOf("PK\x05\x06") >= 0 && tail.indexOf("PK\x01\x02") >= 0;
  if (!isAtEnd && !/^PK[\x03\x0700]/.test(ascii(head, 0, 3))) return [];
  const members = ZIP_MEMBERS.filter(([, name]) => head.includes(name) || tail.includes(name));
  return [...(isAtEnd ? (["zip"] as const) : []), ...members.map(([type]) => type)];
}

function ascii(octets: Buffer, at: number, length: number): string {
  return octets.toString("latin1", at, at + length);
}
