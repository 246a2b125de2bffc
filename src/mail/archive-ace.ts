import { decodeName, type EntryList } from "./archive-entry-list.ts";
import { type PushReader, skip, take } from "./archive-push-parser.ts";

const FILE_BLOCK = 1;
const HAS_DATA = 0x0001;
const ENCRYPTED = 0x4000;
const FOLDER_ATTRIBUTE = 0x10;
/** Type, flags, packed and original size, time, attributes, CRC, method, reserved, name's length. */
const FILE_FIXED_BYTES = 31;

/** Lists an ACE: blocks of checksum, size, type, flags. */
export function* readAce(list: EntryList): PushReader {
  for (;;) {
    const start = yield* take(4);
    if (start.octets.length === 0) return;
    if (!start.isWhole) return list.note("truncated");
    const size = start.octets.readUInt16LE(2);
    if (size < 3) return list.note("malformed");
    const { octets, isWhole } = yield* take(size);
    if (!isWhole) return list.note("truncated");
    const flags = octets.readUInt16LE(1);
    const dataBytes = flags & HAS_DATA && size >= 7 ? octets.readUInt32LE(3) : 0;
    if (octets[0] === FILE_BLOCK) {
      if (size < FILE_FIXED_BYTES) return list.note("malformed");
      const nameBytes = octets.readUInt16LE(29);
      const isEntryTaken = list.add({
        rawNames: [decodeName(octets.subarray(FILE_FIXED_BYTES, FILE_FIXED_BYTES + nameBytes))],
        isFolder: (octets.readUInt32LE(15) & FOLDER_ATTRIBUTE) !== 0,
        isEncrypted: (flags & ENCRYPTED) !== 0,
        bytes: octets.readUInt32LE(7),
      });
      if (!isEntryTaken) return;
    }
    if (!(yield* skip(dataBytes))) return list.note("truncated");
  }
}
