import { decodeName, type EntryList } from "./archive-entry-list.ts";
import { type PushReader, skip, take } from "./archive-push-parser.ts";

const MARKER_BYTES = 7;
const BLOCK_HEADER_BYTES = 7;
const MAIN = 0x73;
const FILE = 0x74;
const END = 0x7b;
const HEADERS_ENCRYPTED = 0x0080;
const CONTINUED = 0x0003;
const ENCRYPTED = 0x0004;
const FOLDER = 0x00e0;
const LARGE = 0x0100;
const UNICODE = 0x0200;
const HAS_DATA = 0x8000;

/** Lists a RAR of versions 1.5 to 4 (technote.txt of WinRAR 4). Starts at the marker. */
export function* readRar4(list: EntryList): PushReader {
  if (!(yield* skip(MARKER_BYTES))) return list.note("truncated");
  for (;;) {
    const start = yield* take(BLOCK_HEADER_BYTES);
    if (start.octets.length === 0) return;
    if (!start.isWhole) return list.note("truncated");
    const type = start.octets[2] ?? 0;
    const flags = start.octets.readUInt16LE(3);
    const size = start.octets.readUInt16LE(5);
    if (type === END) return;
    if (size < BLOCK_HEADER_BYTES) return list.note("malformed");
    const { octets: rest, isWhole } = yield* take(size - BLOCK_HEADER_BYTES);
    if (!isWhole) return list.note("truncated");
    if (type === MAIN && flags & HEADERS_ENCRYPTED) return list.note("encrypted-names");
    const hasData = type === FILE || (flags & HAS_DATA) !== 0;
    let dataBytes = hasData && rest.length >= 4 ? rest.readUInt32LE(0) : 0;
    if (type === FILE) {
      if (rest.length < 25) return list.note("malformed");
      if (flags & LARGE && rest.length >= 33) dataBytes += rest.readUInt32LE(25) * 2 ** 32;
      if (!addFile(rest, flags, list)) return;
    }
    if (!(yield* skip(dataBytes))) return list.note("truncated");
  }
}

function addFile(rest: Buffer, flags: number, list: EntryList): boolean {
  if (flags & CONTINUED) list.note("truncated");
  const nameAt = flags & LARGE ? 33 : 25;
  const name = rest.subarray(nameAt, nameAt + rest.readUInt16LE(19));
  return list.add({
    rawNames: namesOf(name, (flags & UNICODE) !== 0),
    isFolder: (flags & FOLDER) === FOLDER,
    isEncrypted: (flags & ENCRYPTED) !== 0,
    bytes: rest.readUInt32LE(4),
  });
}

function namesOf(field: Buffer, isUnicode: boolean): readonly string[] {
  const end = field.indexOf(0);
  if (!isUnicode || end < 0) return [decodeName(field)];
  const plain = field.subarray(0, end);
  return [decodePacked(plain, field.subarray(end + 1)), decodeName(plain)];
}

/** The name as UTF-16, packed against the plain one: two bits say how each character is given. */
function decodePacked(plain: Buffer, packed: Buffer): string {
  const units: number[] = [];
  const high = (packed[0] ?? 0) << 8;
  let at = 1;
  while (at < packed.length) {
    const ways = packed[at++] ?? 0;
    for (let shift = 6; shift >= 0 && at < packed.length; shift -= 2) {
      const octet = packed[at++] ?? 0;
      const way = (ways >> shift) & 3;
      if (way === 0) units.push(octet);
      else if (way === 1) units.push(octet | high);
      else if (way === 2) units.push(octet | ((packed[at++] ?? 0) << 8));
      else {
        const correction = octet & 0x80 ? (packed[at++] ?? 0) : null;
        repeatPlain(units, plain, (octet & 0x7f) + 2, correction, high);
      }
    }
  }
  return String.fromCharCode(...units.slice(0, plain.length));
}

/** The plain name's characters at the same places, shifted into the other half if corrected. */
function repeatPlain(
  units: number[],
  plain: Buffer,
  count: number,
  correction: number | null,
  high: number,
): void {
  const end = units.length + count;
  while (units.length < end) {
    const base = plain[units.length] ?? 0;
    units.push(correction === null ? base : ((base + correction) & 0xff) | high);
  }
}
