import { decodeName } from "./archive-entry-list.ts";

/** Signatures of APPNOTE.TXT 4.3, as octets. */
export const ZIP_LOCAL = Buffer.from("PK\x03\x04", "latin1");
export const ZIP_CENTRAL = Buffer.from("PK\x01\x02", "latin1");
export const ZIP_END = Buffer.from("PK\x05\x06", "latin1");

export const LOCAL_FIXED_BYTES = 30;
export const CENTRAL_FIXED_BYTES = 46;
/** A size or place that is given in the ZIP64 extra field instead. */
export const IN_ZIP64 = 0xffffffff;

const UNICODE_PATH = 0x7075;
const ZIP64 = 0x0001;
const AES = 0x9901;
const ENCRYPTED = 0x0001 | 0x0040;
const MASKED = 0x2000;
const SIZES_BEHIND = 0x0008;
const FOLDER_ATTRIBUTE = 0x10;

/** What a central or a local header says. */
export interface ZipHeader {
  /** Octets of the header with its variable fields. */
  readonly length: number;
  readonly rawNames: readonly string[];
  /** The stored name, to compare central with local. */
  readonly storedName: string;
  readonly isEncrypted: boolean;
  readonly isMasked: boolean;
  readonly isFolder: boolean;
  /** Null: behind the data (APPNOTE 4.4.4 bit 3). */
  readonly packedBytes: number | null;
  readonly bytes: number | null;
  /** Where the local header is said to be. Central only. */
  readonly localAt: number | null;
}

/** Octets of the variable fields, from the fixed part of a header. */
export function localVariableBytes(fixed: Buffer): number {
  return fixed.readUInt16LE(26) + fixed.readUInt16LE(28);
}

export function centralVariableBytes(fixed: Buffer): number {
  return fixed.readUInt16LE(28) + fixed.readUInt16LE(30) + fixed.readUInt16LE(32);
}

/** APPNOTE 4.3.7. `octets` holds the whole header. */
export function parseLocal(octets: Buffer): ZipHeader {
  const flags = octets.readUInt16LE(6);
  const nameEnd = LOCAL_FIXED_BYTES + octets.readUInt16LE(26);
  const extra = octets.subarray(nameEnd, nameEnd + octets.readUInt16LE(28));
  const sizes = zip64Sizes(extra, [octets.readUInt32LE(22), octets.readUInt32LE(18)]);
  const isUnknown = (flags & SIZES_BEHIND) !== 0 && octets.readUInt32LE(18) === 0;
  return {
    ...common(octets.subarray(LOCAL_FIXED_BYTES, nameEnd), extra, flags),
    length: LOCAL_FIXED_BYTES + localVariableBytes(octets),
    packedBytes: isUnknown ? null : (sizes[1] ?? null),
    bytes: isUnknown ? null : (sizes[0] ?? null),
    localAt: null,
  };
}

/** APPNOTE 4.3.12. `octets` holds the whole header. */
export function parseCentral(octets: Buffer): ZipHeader {
  const nameEnd = CENTRAL_FIXED_BYTES + octets.readUInt16LE(28);
  const extra = octets.subarray(nameEnd, nameEnd + octets.readUInt16LE(30));
  const fields = [24, 20, 42].map((at) => octets.readUInt32LE(at));
  const [bytes = null, packedBytes = null, localAt = null] = zip64Sizes(extra, fields);
  const header = common(
    octets.subarray(CENTRAL_FIXED_BYTES, nameEnd),
    extra,
    octets.readUInt16LE(8),
  );
  const isFolder = header.isFolder || (octets.readUInt32LE(38) & FOLDER_ATTRIBUTE) !== 0;
  return {
    ...header,
    isFolder: isFolder && bytes === 0,
    length: CENTRAL_FIXED_BYTES + centralVariableBytes(octets),
    packedBytes,
    bytes,
    localAt,
  };
}

function common(name: Buffer, extra: Buffer, flags: number) {
  const storedName = decodeName(name);
  const unicode = extraFields(extra)
    .filter(([id, data]) => id === UNICODE_PATH && data.length > 5)
    // Version and CRC of the stored name come first. Some readers do not compare the CRC.
    .map(([, data]) => decodeName(data.subarray(5)));
  const hasAes = extraFields(extra).some(([id]) => id === AES);
  return {
    storedName,
    rawNames: [storedName, ...unicode],
    isEncrypted: (flags & ENCRYPTED) !== 0 || hasAes,
    isMasked: (flags & MASKED) !== 0,
    isFolder: /[/\\]$/.test(storedName),
  };
}

/** Fields in the order of the ZIP64 extra field (4.5.3), which has only those that are too small. */
function zip64Sizes(extra: Buffer, fields: readonly number[]): readonly (number | null)[] {
  const wide = extraFields(extra).find(([id]) => id === ZIP64)?.[1] ?? Buffer.alloc(0);
  let at = 0;
  return fields.map((field) => {
    if (field !== IN_ZIP64) return field;
    if (at + 8 > wide.length) return null;
    at += 8;
    return Number(wide.readBigUInt64LE(at - 8));
  });
}

function extraFields(extra: Buffer): readonly (readonly [id: number, data: Buffer])[] {
  const fields: [number, Buffer][] = [];
  for (let at = 0; at + 4 <= extra.length; ) {
    const size = extra.readUInt16LE(at + 2);
    fields.push([extra.readUInt16LE(at), extra.subarray(at + 4, at + 4 + size)]);
    at += 4 + size;
  }
  return fields;
}
