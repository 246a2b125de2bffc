import { crc32 } from "node:zlib";
import { decodeField, type EntryList } from "./archive-entry-list.ts";
import { type PushReader, skip, take } from "./archive-push-parser.ts";

const MAGIC = 0xea60;
/** The ARJ technical note: a basic header has at most 2600 octets; 30 fields come before the name. */
const HEADER_BYTES_MAX = 2600;
const FIXED_BYTES = 30;
const GARBLED = 0x01;
const FOLDER = 3;

/** The two octets of magic alone would match much: the header's checksum decides. */
export function isArjHeader(head: Buffer): boolean {
  if (head.length < 4 + FIXED_BYTES || head.readUInt16LE(0) !== MAGIC) return false;
  const size = head.readUInt16LE(2);
  if (size < FIXED_BYTES || size > HEADER_BYTES_MAX || head.length < size + 8) return false;
  return crc32(head.subarray(4, 4 + size)) === head.readUInt32LE(4 + size);
}

/** Lists an ARJ: a main header without octets, then one for each file. */
export function* readArj(list: EntryList): PushReader {
  for (let isMain = true; ; isMain = false) {
    const start = yield* take(4);
    if (!start.isWhole) return list.note("truncated");
    const size = start.octets.readUInt16LE(2);
    const hasMagic = start.octets.readUInt16LE(0) === MAGIC;
    if (hasMagic && size === 0) return;
    if (!hasMagic || size < FIXED_BYTES || size > HEADER_BYTES_MAX) return list.note("malformed");
    const header = yield* take(size);
    if (!header.isWhole) return list.note("truncated");
    const fields = header.octets;
    const dataBytes = isMain ? 0 : fields.readUInt32LE(12);
    if (!isMain) {
      const isEntryTaken = list.add({
        rawNames: [decodeField(fields.subarray(fields[0]))],
        isFolder: fields[6] === FOLDER,
        isEncrypted: ((fields[4] ?? 0) & GARBLED) !== 0,
        bytes: fields.readUInt32LE(16),
      });
      if (!isEntryTaken) return;
    }
    yield* skip(4);
    for (;;) {
      const extended = yield* take(2);
      if (!extended.isWhole) return list.note("truncated");
      const bytes = extended.octets.readUInt16LE(0);
      if (bytes === 0) break;
      yield* skip(bytes + 4);
    }
    if (!(yield* skip(dataBytes))) return list.note("truncated");
  }
}
