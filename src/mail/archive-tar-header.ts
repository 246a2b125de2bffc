import { decodeField } from "./archive-entry-list.ts";

export const TAR_BLOCK_BYTES = 512;
const CHECKSUM = { start: 148, end: 156 } as const;
const GNU_SPARSE = 0x53;

export interface TarHeader {
  readonly type: string;
  /** With the folder of a POSIX header. */
  readonly name: string;
  /** Null: negative or absurd. */
  readonly bytes: number | null;
  /** GNU sparse: the map goes on in further blocks (`isextended`). */
  readonly hasMoreHeader: boolean;
}

/** Old and POSIX tar have no magic in common: the sum over the header tells both. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < TAR_BLOCK_BYTES) return false;
  const stored = parseOctal(block.subarray(CHECKSUM.start, CHECKSUM.end));
  if (stored === null || stored === 0) return false;
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) {
    const octet = i >= CHECKSUM.start && i < CHECKSUM.end ? 32 : (block[i] ?? 0);
    unsigned += octet;
    // Old programs summed signed characters, and readers take both.
    signed += octet < 128 ? octet : octet - 256;
  }
  return stored === unsigned || stored === signed;
}

/** `block` is a whole header. */
export function parseTarHeader(block: Buffer): TarHeader {
  const name = decodeField(block.subarray(0, 100));
  const isPosix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isPosix ? decodeField(block.subarray(345, 500)) : "";
  const type = block[156] ?? 0;
  return {
    type: type === 0 ? "0" : String.fromCharCode(type),
    name: prefix === "" ? name : `${prefix}/${name}`,
    bytes: parseSize(block.subarray(124, 136)),
    hasMoreHeader: type === GNU_SPARSE && block[482] !== 0,
  };
}

function parseOctal(field: Buffer): number | null {
  const digits = /^[ \0]*([0-7]+)/.exec(field.toString("latin1"))?.[1];
  return digits === undefined ? null : Number.parseInt(digits, 8);
}

/** Octal, or, with the top bit set, binary (GNU). An empty field is 0. */
function parseSize(field: Buffer): number | null {
  if (((field[0] ?? 0) & 0x80) === 0) return parseOctal(field) ?? 0;
  const high = field.readUInt32BE(0) & 0x7fffffff;
  const low = field.readBigUInt64BE(4);
  return high !== 0 || low > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(low);
}
